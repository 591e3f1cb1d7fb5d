/** Timers as a parameter: a test or a simulation passes its own. */
export interface Timers {
  /**
   * Calls `callback` once after `delayMs`; a negative delay counts as 0. Returns a function that cancels it.
   */
  after(delayMs: number, callback: () => void): () => void
}

/** A timer of Node with any delay. It keeps the process alive. */
function startTimer(delayMs: number, callback: () => void): NodeJS.Timeout {
  return setTimeout(callback, Math.min(Math.max(delayMs, 0), MAX_DELAY_MS))
}

/** The machine's timers. They do not keep the process alive. */
export const machineTimers: Timers = {
  after(delayMs, callback) {
    const timer = startTimer(delayMs, callback).unref()
    return () => clearTimeout(timer)
  },
}

/** The maximum delay of Node's timers. A longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

/**
 * A signal that aborts after `ms`. It does not keep the process alive. Unlike `AbortSignal.timeout` it accepts fractions: 16.1 s are
 * 16100.000000000002 ms.
 */
export function deadline(ms: number): AbortSignal {
  return AbortSignal.timeout(Math.min(Math.max(Math.ceil(ms), 0), MAX_DELAY_MS))
}

/**
 * Time as a parameter. A composition (agent, coordinator, demo, cli) passes `machineClock`; a test or a simulation passes its own.
 */
export interface Clock extends Timers {
  /** Unix time in milliseconds. It jumps when the machine's clock is set. */
  now(): number
  /** Milliseconds since an arbitrary moment. It never jumps: use it for durations and timeouts. */
  steadyNow(): number
}

/** The machine's clock. Its timers do not keep the process alive. */
export const machineClock: Clock = {
  ...machineTimers,
  now: () => Date.now(),
  steadyNow: () => performance.now(),
}

/** The machine's clock with timers that keep the process alive: for a program that waits for nothing but a timer. */
export const foregroundClock: Clock = {
  ...machineClock,
  after(delayMs, callback) {
    const timer = startTimer(delayMs, callback)
    return () => clearTimeout(timer)
  },
}

/** Resolves after `ms`, or at once when `signal` aborts; the caller then checks the signal. Never rejects. */
export function sleep(timers: Timers, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) {
      resolve()
      return
    }
    const end = () => {
      cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const cancel = timers.after(ms, end)
    signal?.addEventListener('abort', end, { once: true })
  })
}

/** Runs `work` every `ms` milliseconds, counted from the end of the previous run, until `signal` aborts. The first run is after `ms`. */
export async function repeatEvery(
  timers: Timers,
  ms: number,
  signal: AbortSignal,
  work: () => Promise<void> | void,
): Promise<void> {
  for (;;) {
    await sleep(timers, ms, signal)
    if (signal.aborted) return
    await work()
  }
}
