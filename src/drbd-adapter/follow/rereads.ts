import { pause } from '../../platform/time/pause.ts'

/** `settled`: nothing more is to be found now; `open`: it must be tried again. */
export type RereadOutcome = 'settled' | 'open'

export interface RereadsOptions {
  readonly read: (signal: AbortSignal) => Promise<RereadOutcome>
  /** The pause before the first one: notifications out of order come in groups. */
  readonly afterMs: number
  /** The least time from the beginning of one to the beginning of the next: lost lines may come in a storm. */
  readonly gapMs: () => number
  /** Milliseconds, by any clock that only rises. */
  readonly clock: () => number
}

/** Reads everything again after lines were lost: soon, never two at a time, and in a storm of such lines only so often. */
export class Rereads {
  readonly #options: RereadsOptions
  #isWanted = false
  #begunAt = Number.NEGATIVE_INFINITY
  #wake: () => void = () => undefined

  constructor(options: RereadsOptions) {
    this.#options = options
  }

  want(): void {
    this.#isWanted = true
    this.#wake()
  }

  /** Does what is wanted until `signal` is aborted. */
  async keep(signal: AbortSignal): Promise<void> {
    const { read, afterMs, gapMs, clock } = this.#options
    signal.addEventListener('abort', () => this.#wake(), { once: true })
    for (;;) {
      while (!this.#isWanted && !signal.aborted) await this.#waitUntilWanted()
      await pause(Math.max(afterMs, this.#begunAt + gapMs() - clock()), signal)
      if (signal.aborted) return
      this.#begunAt = clock()
      this.#isWanted = false
      if ((await read(signal)) === 'open') this.#isWanted = true
    }
  }

  #waitUntilWanted(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }
}
