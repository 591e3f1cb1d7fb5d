import type { Timers } from '../platform/time/clock.ts'
import type { Report } from '../sync-query/report/report.ts'
import type { SyncEvents } from './sync-events.ts'

/** The requests that wait until an SR is synced. */
export class SyncWaiters {
  readonly #clock: Timers
  readonly #events: SyncEvents
  readonly #reportOf: (sr: string) => Report | null
  readonly #maxWaiters: number
  #waiting = 0

  constructor(clock: Timers, events: SyncEvents, reportOf: (sr: string) => Report | null, maxWaiters: number) {
    this.#clock = clock
    this.#events = events
    this.#reportOf = reportOf
    this.#maxWaiters = maxWaiters
  }

  /**
   * Resolves with the report when the SR is synced, when the time is over, or when `signal` aborts; with `null` if the SR is not
   * watched, or is no longer; with `too many` at once if it would have to wait and the limit is reached.
   */
  async wait(sr: string, timeoutMs: number, signal: AbortSignal): Promise<Report | null | 'too many'> {
    const present = this.#reportOf(sr)
    if (present === null || present.state === 'synced' || timeoutMs <= 0 || signal.aborted) return present
    if (this.#waiting >= this.#maxWaiters) return 'too many'
    this.#waiting += 1
    try {
      await this.#wait(sr, timeoutMs, signal)
    } finally {
      this.#waiting -= 1
    }
    return this.#reportOf(sr)
  }

  #wait(sr: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const end = () => {
        cancel()
        unsubscribe()
        signal.removeEventListener('abort', end)
        resolve()
      }
      const cancel = this.#clock.after(timeoutMs, end)
      const unsubscribe = this.#events.subscribe(({ event }) => {
        if (event.sr === sr && (event.kind === 'removed' || event.data.state === 'synced')) end()
      })
      signal.addEventListener('abort', end)
    })
  }
}
