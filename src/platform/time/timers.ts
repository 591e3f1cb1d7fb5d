import { MAX_DELAY_MS } from './deadline.ts'

/** Timers as a parameter: a test or a simulation passes its own. */
export interface Timers {
  /**
   * Calls `callback` once after `delayMs`; a negative delay counts as 0. Returns a function that cancels it.
   */
  after(delayMs: number, callback: () => void): () => void
}

/** A timer of Node with any delay. It keeps the process alive. */
export function startTimer(delayMs: number, callback: () => void): NodeJS.Timeout {
  return setTimeout(callback, Math.min(Math.max(delayMs, 0), MAX_DELAY_MS))
}

/** The machine's timers. They do not keep the process alive. */
export const machineTimers: Timers = {
  after(delayMs, callback) {
    const timer = startTimer(delayMs, callback).unref()
    return () => clearTimeout(timer)
  },
}
