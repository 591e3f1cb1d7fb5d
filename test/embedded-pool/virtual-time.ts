import type { Timers } from '../../src/platform/time/timers.ts'

export const START_MS = Date.UTC(2026, 10, 22, 16)

/** A clock that stands until it is moved. Timers run by a time of their own, as the machine's do when its clock is set. */
export class VirtualTime implements Timers {
  nowMs = START_MS
  #timerMs = 0
  readonly #due: { readonly atMs: number; readonly callback: () => void }[] = []

  readonly now = () => this.nowMs
  readonly steadyNow = () => this.#timerMs

  after(delayMs: number, callback: () => void): () => void {
    const entry = { atMs: this.#timerMs + delayMs, callback }
    this.#due.push(entry)
    return () => {
      const index = this.#due.indexOf(entry)
      if (index >= 0) this.#due.splice(index, 1)
    }
  }

  /** Moves both. What falls due on the way sees the clock at its end. */
  advance(ms: number): void {
    this.nowMs += ms
    this.#timerMs += ms
    for (const entry of this.#due.filter(({ atMs }) => atMs <= this.#timerMs)) {
      this.#due.splice(this.#due.indexOf(entry), 1)
      entry.callback()
    }
  }
}
