import type { Timers } from '../platform/time/clock.ts'
import type { RefusedCall } from './decision-events.ts'

interface RefusalThrottleOptions {
  /** Called for the first call of each kind at once, and once a minute for those that follow together. Must not throw. */
  readonly report: (last: RefusedCall, count: number) => void
  readonly timers: Timers
}

const INTERVAL_MS = 60_000
/** Kinds of calls within one minute. Calls of further kinds are reported together, as one kind. */
const MAX_KINDS = 100
const OTHER_KINDS = 'other kinds'

interface Kind {
  /** The last call that is not reported yet. */
  last: RefusedCall | null
  count: number
  readonly cancel: () => void
}

/**
 * Limits how often refused calls are reported: a client that repeats a call, or tries many calls, costs a few lines a minute. Calls
 * are of one kind if method, host, user and error code are the same.
 */
export class RefusalThrottle {
  readonly #report: RefusalThrottleOptions['report']
  readonly #timers: Timers
  readonly #kinds = new Map<string, Kind>()

  constructor({ report, timers }: RefusalThrottleOptions) {
    this.#report = report
    this.#timers = timers
  }

  add(refused: RefusedCall): void {
    const { method, host, user, error } = refused
    const own = JSON.stringify([method, host, user, error[0]])
    const key = this.#kinds.has(own) || this.#kinds.size < MAX_KINDS ? own : OTHER_KINDS
    const kind = this.#kinds.get(key)
    if (kind !== undefined) {
      kind.last = refused
      kind.count += 1
      return
    }
    this.#begin(key)
    this.#report(refused, 1)
  }

  /** Reports the calls that are not reported yet. */
  close(): void {
    for (const { last, count, cancel } of this.#kinds.values()) {
      cancel()
      if (last !== null) this.#report(last, count)
    }
    this.#kinds.clear()
  }

  #begin(key: string): void {
    this.#kinds.set(key, { last: null, count: 0, cancel: this.#timers.after(INTERVAL_MS, () => this.#end(key)) })
  }

  #end(key: string): void {
    const kind = this.#kinds.get(key)
    this.#kinds.delete(key)
    if (kind === undefined || kind.last === null) return
    this.#begin(key)
    this.#report(kind.last, kind.count)
  }
}
