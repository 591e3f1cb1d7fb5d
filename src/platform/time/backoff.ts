/** Milliseconds. */
export interface Backoff {
  readonly firstRetryMs: number
  readonly lastRetryMs: number
}

/**
 * Milliseconds to wait after the n-th failure in a row: doubled each time, up to `lastRetryMs`. Jitter takes away up to half, so that
 * the hosts of a pool do not retry at the same moment.
 */
export function backoffMs({ firstRetryMs, lastRetryMs }: Backoff, failures: number): number {
  const capMs = Math.min(firstRetryMs * 2 ** (failures - 1), lastRetryMs)
  return capMs * (0.5 + Math.random() / 2)
}

/** The delays between the runs of something that is restarted whenever it ends. A run of at least `healthyAfterMs` resets the back-off. */
export class RestartBackoff {
  readonly #backoff: Backoff
  readonly #healthyAfterMs: number
  #failures = 0

  constructor(backoff: Backoff, healthyAfterMs: number) {
    this.#backoff = backoff
    this.#healthyAfterMs = healthyAfterMs
  }

  isHealthy(ranMs: number): boolean {
    return ranMs >= this.#healthyAfterMs
  }

  /** Milliseconds to wait until the next start. @param ranMs how long the run took that has just ended */
  delayMs(ranMs: number): number {
    this.#failures = this.isHealthy(ranMs) ? 1 : this.#failures + 1
    return backoffMs(this.#backoff, this.#failures)
  }
}
