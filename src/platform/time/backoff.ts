/** Milliseconds. */
export interface Backoff {
  readonly firstRetryMs: number
  readonly lastRetryMs: number
}

/** How long to wait after the n-th failure in a row: doubled up to a cap. Jitter keeps a pool's hosts from returning as one. */
export function backoffMs({ firstRetryMs, lastRetryMs }: Backoff, failures: number): number {
  const capMs = Math.min(firstRetryMs * 2 ** (failures - 1), lastRetryMs)
  return capMs * (0.5 + Math.random() / 2)
}
