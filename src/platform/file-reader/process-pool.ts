import type { Clock } from '../time/clock.ts'
import { ReadingProcess } from './reading-process.ts'

/** A process without work is kept for so long: to start one costs as much as a hundred jobs. */
const IDLE_MS = 60_000

/** Keeps one idle process for the next job of any reader. */
export class ProcessPool {
  readonly #clock: Clock
  #idle: ReadingProcess | null = null
  #cancelIdleTimer = () => {}
  #isEnded = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A process without work. */
  take(): ReadingProcess {
    this.#cancelIdleTimer()
    const idle = this.#idle
    this.#idle = null
    return idle === null || idle.isGone ? new ReadingProcess() : idle
  }

  /** Returns a process that has done its work. */
  give(process: ReadingProcess): void {
    if (this.#isEnded || this.#idle !== null) {
      process.end()
      return
    }
    this.#idle = process
    this.#cancelIdleTimer = this.#clock.after(IDLE_MS, () => this.#endIdle())
  }

  /** Keeps none from now on. */
  end(): void {
    this.#isEnded = true
    this.#endIdle()
  }

  #endIdle(): void {
    this.#cancelIdleTimer()
    this.#idle?.end()
    this.#idle = null
  }
}
