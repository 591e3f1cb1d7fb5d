import { type Clock, sleep } from '../../platform/time/clock.ts'

/** `settled`: nothing more can be found now. `open`: read again. */
export type RereadOutcome = 'settled' | 'open'

export interface RereadsOptions {
  readonly read: (signal: AbortSignal) => Promise<RereadOutcome>
  /** Milliseconds before the first read: notifications that are out of order come in groups. */
  readonly afterMs: number
  /** Minimum milliseconds from the start of one read to the start of the next: lost lines can come in a storm. */
  readonly gapMs: () => number
  readonly clock: Clock
}

/** Schedules complete rereads after lost lines: soon, one at a time, and rate-limited. */
export class Rereads {
  readonly #options: RereadsOptions
  #isRequested = false
  #startedAtMs = Number.NEGATIVE_INFINITY
  #wake: () => void = () => undefined

  constructor(options: RereadsOptions) {
    this.#options = options
  }

  request(): void {
    this.#isRequested = true
    this.#wake()
  }

  /** Serves requests until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { read, afterMs, gapMs, clock } = this.#options
    signal.addEventListener('abort', () => this.#wake(), { once: true })
    for (;;) {
      while (!this.#isRequested && !signal.aborted) await this.#waitForRequest()
      await sleep(clock, Math.max(afterMs, this.#startedAtMs + gapMs() - clock.steadyNow()), signal)
      if (signal.aborted) return
      this.#startedAtMs = clock.steadyNow()
      this.#isRequested = false
      if ((await read(signal)) === 'open') this.#isRequested = true
    }
  }

  #waitForRequest(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }
}
