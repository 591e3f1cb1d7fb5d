import type { Clock } from '../time/clock.ts'
import { ReadingProcess } from './reading-process.ts'

/** How long an idle process is kept. Starting one costs as much as a hundred jobs. */
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

  /** Returns an idle or a new process. */
  take(): ReadingProcess {
    this.#cancelIdleTimer()
    const idle = this.#idle
    this.#idle = null
    return idle === null || idle.isGone ? new ReadingProcess() : idle
  }

  /** Takes back a process that has finished its job. */
  give(process: ReadingProcess): void {
    if (this.#isEnded || this.#idle !== null) {
      process.end()
      return
    }
    this.#idle = process
    this.#cancelIdleTimer = this.#clock.after(IDLE_MS, () => this.#endIdle())
  }

  /** Ends the idle process and keeps none from now on. */
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
