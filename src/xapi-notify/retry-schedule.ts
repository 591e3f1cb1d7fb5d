import { type Backoff, backoffMs } from '../platform/time/backoff.ts'

/**
 * Whose turn it is. One that failed is held back, longer with each failure in a row, and then comes after all that have
 * not failed and all whose time came before: so what fails for ever keeps no other from its turn.
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

  /** Whether it failed when it was last its turn. */
  hasFailed(name: string): boolean {
    return this.#held.has(name)
  }

  /** Those of the names whose time has come, in turn. */
  due(names: Iterable<string>, nowMs: number): readonly string[] {
    const untilMs = (name: string) => this.#held.get(name)?.untilMs ?? 0
    return Array.from(names)
      .filter(name => untilMs(name) <= nowMs)
      .toSorted((a, b) => untilMs(a) - untilMs(b))
  }

  /** How long until the first that is held back comes; not negative, and no more than `atMostMs`. */
  waitMs(nowMs: number, atMostMs: number): number {
    let waitMs = atMostMs
    for (const { untilMs } of this.#held.values()) waitMs = Math.min(waitMs, untilMs - nowMs)
    return Math.max(waitMs, 0)
  }
}
