import type { Timers } from '../../platform/time/timers.ts'

/** Wakes one who waits. Rung any number of times before it is heard, it was rung once. */
export class Bell {
  readonly #timers: Timers
  #isRung = false
  #wake: (() => void) | null = null

  constructor(timers: Timers) {
    this.#timers = timers
  }

  ring(): void {
    this.#isRung = true
    this.#wake?.()
  }

  /** Whether it was rung since this was last asked. */
  wasRung(): boolean {
    const wasRung = this.#isRung
    this.#isRung = false
    return wasRung
  }

  /** Waits until it is rung or has been, `ms` have passed, or `signal` is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#isRung || signal.aborted) return Promise.resolve()
    return new Promise(resolve => {
      const wake = () => {
        cancel()
        signal.removeEventListener('abort', wake)
        this.#wake = null
        resolve()
      }
      const cancel = this.#timers.after(ms, wake)
      signal.addEventListener('abort', wake, { once: true })
      this.#wake = wake
    })
  }
}
