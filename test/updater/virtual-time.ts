import type { Timers } from '../../src/platform/time/timers.ts'

/** A clock that stands still until it is told to go on. Sockets and processes know nothing of it. */
export class VirtualTime {
  #nowMs: number
  #number = 0
  readonly #due = new Map<number, { readonly atMs: number; readonly callback: () => void }>()

  constructor(startMs: number) {
    this.#nowMs = startMs
  }

  readonly now = (): number => this.#nowMs

  readonly timers: Timers = {
    after: (delayMs, callback) => {
      this.#number += 1
      const number = this.#number
      this.#due.set(number, { atMs: this.#nowMs + Math.max(0, delayMs), callback })
      return () => this.#due.delete(number)
    },
  }

  /** Lets time pass, and what is due in it happen in its order. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs
    await turn()
    for (;;) {
      const [next] = [...this.#due].filter(([, { atMs }]) => atMs <= endMs).sort(([, a], [, b]) => a.atMs - b.atMs)
      if (next === undefined) break
      const [number, { atMs, callback }] = next
      this.#due.delete(number)
      this.#nowMs = Math.max(this.#nowMs, atMs)
      callback()
      await turn()
    }
    this.#nowMs = endMs
    await turn()
  }

  /** Sets the clock without letting time pass, as an administrator does. What waits goes on waiting as long as before. */
  set(nowMs: number): void {
    const byMs = nowMs - this.#nowMs
    for (const [number, { atMs, callback }] of this.#due) this.#due.set(number, { atMs: atMs + byMs, callback })
    this.#nowMs = nowMs
  }
}

/** Lets everything that is ready to happen come about: an answer that is at hand, and what is computed of it. */
export async function turn(): Promise<void> {
  for (let turns = 0; turns < 2; turns += 1) await new Promise(resolve => setImmediate(resolve))
}
