/** Node's timers take at most this; a longer one would fire at once. */
export const MAX_DELAY_MS = 2 ** 31 - 1

/**
 * Aborted when so many milliseconds have passed; it does not keep the process alive. `AbortSignal.timeout` throws on what is
 * no whole number, and 16.1 s are 16100.000000000002 ms.
 */
export function deadline(ms: number): AbortSignal {
  return AbortSignal.timeout(Math.min(Math.max(Math.ceil(ms), 0), MAX_DELAY_MS))
}
