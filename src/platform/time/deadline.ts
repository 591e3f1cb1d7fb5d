/** The maximum delay of Node's timers. A longer one would fire at once. */
export const MAX_DELAY_MS = 2 ** 31 - 1

/**
 * A signal that aborts after `ms`. It does not keep the process alive. Unlike `AbortSignal.timeout` it accepts fractions: 16.1 s are
 * 16100.000000000002 ms.
 */
export function deadline(ms: number): AbortSignal {
  return AbortSignal.timeout(Math.min(Math.max(Math.ceil(ms), 0), MAX_DELAY_MS))
}
