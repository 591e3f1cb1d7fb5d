import { type Backoff, backoffMs } from '../platform/time/backoff.ts'

/**
 * The order in which names are tried. A name that failed waits, longer after each failure in a row, and then comes after all names that
 * have not failed and all that became due earlier. So a name that always fails delays no other.
 */
export class RetrySchedule {
  readonly #backoff: Backoff
  readonly #held = new Map<string, { readonly failures: number; readonly untilMs: number }>()

  constructor(backoff: Backoff) {
    this.#backoff = backoff
  }

  failed(name: string, nowMs: number): void {
    const failures = (this.#held.get(name)?.failures ?? 0) + 1
    this.#held.set(name, { failures, untilMs: nowMs + backoffMs(this.#backoff, failures) })
  }

  succeeded(name: string): void {
    this.#held.delete(name)
  }

  /** Whether its last attempt failed. */
  hasFailed(name: string): boolean {
    return this.#held.has(name)
  }

  /** The names that are due, in the order in which they are to be tried. */
  due(names: Iterable<string>, nowMs: number): readonly string[] {
    const untilMs = (name: string) => this.#held.get(name)?.untilMs ?? 0
    return Array.from(names)
      .filter(name => untilMs(name) <= nowMs)
      .toSorted((a, b) => untilMs(a) - untilMs(b))
  }

  /** Milliseconds until the first waiting name is due, from 0 to `atMostMs`. */
  waitMs(nowMs: number, atMostMs: number): number {
    let waitMs = atMostMs
    for (const { untilMs } of this.#held.values()) waitMs = Math.min(waitMs, untilMs - nowMs)
    return Math.max(waitMs, 0)
  }
}
