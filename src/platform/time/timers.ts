import { MAX_DELAY_MS } from './deadline.ts'

/** The passing of time as a parameter: a test or a simulation brings its own. */
export interface Timers {
  /**
   * Calls back once, after so many milliseconds; soon if that moment has passed. Returns the way to take it back.
   */
  after(delayMs: number, callback: () => void): () => void
}

/** The machine's time. No timer keeps the process alive. */
export const machineTimers: Timers = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), MAX_DELAY_MS)).unref()
    return () => clearTimeout(timer)
  },
}
