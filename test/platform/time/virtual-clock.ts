import type { Clock } from '../../../src/platform/time/clock.ts'

export const START_MS = Date.UTC(2026, 10, 22, 16)

/**
 * A clock that stands still until a test advances it. Sockets and processes do not run on it.
 *
 *     const clock = new VirtualClock()
 *     clock.after(1_000, () => …)
 *     clock.advance(1_000)
 */
export class VirtualClock implements Clock {
  /** Unix time. A test that changes it sets the machine's clock: timers and `steadyNow` are not affected. */
  nowMs: number
  #steadyMs = 0
  #lastNumber = 0
  readonly #pending = new Map<number, { readonly atMs: number; readonly callback: () => void }>()

  constructor(startMs: number = START_MS) {
    this.nowMs = startMs
  }

  readonly now = (): number => this.nowMs
  readonly steadyNow = (): number => this.#steadyMs

  readonly after = (delayMs: number, callback: () => void): (() => void) => {
    this.#lastNumber += 1
    const number = this.#lastNumber
    this.#pending.set(number, { atMs: this.#steadyMs + Math.max(0, delayMs), callback })
    return () => this.#pending.delete(number)
  }

  /** How many timers are pending. */
  get pending(): number {
    return this.#pending.size
  }

  /** Advances the clock and calls what falls due, each at its own moment, in order. */
  advance(byMs: number): void {
    const endMs = this.#steadyMs + byMs
    for (let due = this.#nextUntil(endMs); due !== null; due = this.#nextUntil(endMs)) this.#call(due)
    this.#moveTo(endMs)
  }

  /** As `advance`; after each callback, promises that are ready settle before time goes on. */
  async advanceAsync(byMs: number): Promise<void> {
    const endMs = this.#steadyMs + byMs
    await settle()
    for (let due = this.#nextUntil(endMs); due !== null; due = this.#nextUntil(endMs)) {
      this.#call(due)
      await settle()
    }
    this.#moveTo(endMs)
    await settle()
  }

  #nextUntil(endMs: number): number | null {
    let next: { readonly number: number; readonly atMs: number } | null = null
    for (const [number, { atMs }] of this.#pending) {
      if (atMs <= endMs && (next === null || atMs < next.atMs)) next = { number, atMs }
    }
    return next?.number ?? null
  }

  #call(number: number): void {
    const due = this.#pending.get(number)
    if (due === undefined) return
    this.#pending.delete(number)
    this.#moveTo(due.atMs)
    due.callback()
  }

  #moveTo(steadyMs: number): void {
    const byMs = Math.max(0, steadyMs - this.#steadyMs)
    this.#steadyMs += byMs
    this.nowMs += byMs
  }
}

/** Lets promises that are ready settle, and what follows from them. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 2; turns += 1) await new Promise(resolve => setImmediate(resolve))
}
