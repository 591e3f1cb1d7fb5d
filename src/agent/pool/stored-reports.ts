import { isJsonObject } from '../../platform/json/json-object.ts'
import { machineClock } from '../../platform/time/clock.ts'
import { rest } from '../../platform/time/pause.ts'
import { REPORT_KEY } from '../../sync-query/report/report.ts'
import type { PbdReportSink } from '../../xapi-notify/pbd-report-sink.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import type { PoolChanges } from '../../xenapi-client/events.ts'
import { watchPool } from '../../xenapi-client/watch-pool.ts'

/** Milliseconds. */
export interface StoredReportsPace {
  /** How long what is stored may differ from what was written: a key is removed and added, and the two come apart. */
  readonly differsForMs: number
  /** How long one question for changes waits: PBDs that were made meanwhile are followed after it. */
  readonly waitMs: number
}

const DEFAULT_PACE: StoredReportsPace = { differsForMs: 2_000, waitMs: 30_000 }

/**
 * Keeps an eye on this host's reports as the pool has them, and has those pushed again that are not what was last written:
 * after a toolstack that came back with an older database, a PBD that was made anew, or a hand in it. A host whose
 * mirrors are at rest pushes nothing by itself, so nothing else would mend it.
 */
export class StoredReports {
  readonly #sink: PbdReportSink
  readonly #pushAgain: (sr: string) => void
  readonly #pace: StoredReportsPace
  /** What the pool says to hold, by the PBD's ref; `null`: no report, or no such PBD. Not there: not known. */
  readonly #stored = new Map<string, string | null>()
  /** Since when what is stored is not what was written, by the SR. */
  readonly #differsSinceMs = new Map<string, number>()

  constructor(sink: PbdReportSink, pushAgain: (sr: string) => void, pace: StoredReportsPace = DEFAULT_PACE) {
    this.#sink = sink
    this.#pushAgain = pushAgain
    this.#pace = pace
  }

  /** Follows this host's PBDs until `signal` is aborted. */
  async follow(client: XenApiClient, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pbds = this.#sink.written().map(({ pbd }) => pbd)
      if (pbds.length > 0) await this.#followPbds(client, pbds, signal)
      else await rest(this.#pace.differsForMs, signal)
    }
  }

  /** Looks whether anything has to be pushed again. To be called about once a second. */
  check(now: number): void {
    for (const { sr, pbd, text } of this.#sink.written()) {
      const stored = this.#stored.get(pbd)
      if (text === null || stored === undefined || stored === text) {
        this.#differsSinceMs.delete(sr)
        continue
      }
      const since = this.#differsSinceMs.get(sr) ?? now
      this.#differsSinceMs.set(sr, since)
      if (now - since < this.#pace.differsForMs) continue
      this.#differsSinceMs.delete(sr)
      this.#sink.forget(sr)
      this.#pushAgain(sr)
    }
  }

  /** Ends when there are other PBDs to follow. */
  async #followPbds(client: XenApiClient, pbds: readonly string[], signal: AbortSignal): Promise<void> {
    // The pool's own record is always there: without it, if none of the PBDs is, the first answer would be waited for.
    const classes = ['pool', ...pbds.map(pbd => `PBD/${pbd}`)]
    for await (const changes of watchPool(client, classes, {
      clock: machineClock,
      signal,
      waitSeconds: this.#pace.waitMs / 1000,
    })) {
      if ('lost' in changes) this.#stored.clear()
      else this.#take(changes, pbds)
      const written = this.#sink.written().map(({ pbd }) => pbd)
      if (written.some(pbd => !pbds.includes(pbd)) || pbds.some(pbd => !written.includes(pbd))) return
    }
  }

  #take({ everything, events }: PoolChanges, pbds: readonly string[]): void {
    if (everything) {
      this.#stored.clear()
      for (const pbd of pbds) this.#stored.set(pbd, null)
    }
    for (const { cls, ref, record } of events) {
      if (cls !== 'pbd') continue
      const otherConfig = record?.other_config
      const text = isJsonObject(otherConfig) ? otherConfig[REPORT_KEY] : undefined
      this.#stored.set(ref, typeof text === 'string' ? text : null)
    }
  }
}
