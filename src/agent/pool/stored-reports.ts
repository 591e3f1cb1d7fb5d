import { isJsonObject } from '../../platform/json/parse-json.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import { REPORT_KEY } from '../../sync-query/report/report.ts'
import type { PbdReportSink } from '../../xapi-notify/pbd-report-sink.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import type { PoolChanges } from '../../xenapi-client/events.ts'
import { watchPool } from '../../xenapi-client/watch-pool.ts'

/** Milliseconds. */
export interface StoredReportsPace {
  /** A stored report may differ from the written one for this long: a key is removed and added in two calls. */
  readonly differsForMs: number
  /** How long one call for events waits. PBDs that are created meanwhile are followed after it. */
  readonly waitMs: number
}

const DEFAULT_PACE: StoredReportsPace = { differsForMs: 2_000, waitMs: 30_000 }

/**
 * Watches this host's reports in the pool's database, and finds those that differ from what was last written: after the toolstack
 * came back with an older database, after a PBD was created anew, or after somebody edited it. A host whose mirrors do not change
 * pushes nothing by itself, so nothing else would repair the report.
 */
export class StoredReports {
  readonly #sink: PbdReportSink
  readonly #clock: Clock
  readonly #pace: StoredReportsPace
  /** The stored report by the PBD's ref; `null`: no report, or no such PBD. Absent: not known. */
  readonly #stored = new Map<string, string | null>()
  /** By SR: since when the stored report differs from the written one. */
  readonly #differsSinceMs = new Map<string, number>()

  constructor(sink: PbdReportSink, clock: Clock, pace: StoredReportsPace = DEFAULT_PACE) {
    this.#sink = sink
    this.#clock = clock
    this.#pace = pace
  }

  /** Follows this host's PBDs until `signal` is aborted. */
  async follow(client: XenApiClient, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pbds = this.#sink.written().map(({ pbd }) => pbd)
      if (pbds.length > 0) await this.#followPbds(client, pbds, signal)
      else await sleep(this.#clock, this.#pace.differsForMs, signal)
    }
  }

  /** Compares what is stored with what was written. Call it about once a second. @returns the SRs to push again */
  check(): string[] {
    const steadyMs = this.#clock.steadyNow()
    const stale: string[] = []
    for (const { sr, pbd, text } of this.#sink.written()) {
      const stored = this.#stored.get(pbd)
      if (text === null || stored === undefined || stored === text) {
        this.#differsSinceMs.delete(sr)
        continue
      }
      const since = this.#differsSinceMs.get(sr) ?? steadyMs
      this.#differsSinceMs.set(sr, since)
      if (steadyMs - since < this.#pace.differsForMs) continue
      this.#differsSinceMs.delete(sr)
      this.#sink.forget(sr)
      stale.push(sr)
    }
    return stale
  }

  /** Ends when the set of PBDs changes. */
  async #followPbds(client: XenApiClient, pbds: readonly string[], signal: AbortSignal): Promise<void> {
    // The pool's own record always exists. Without it the first answer would not come if none of the PBDs exists.
    const classes = ['pool', ...pbds.map(pbd => `PBD/${pbd}`)]
    for await (const changes of watchPool(client, classes, {
      clock: this.#clock,
      signal,
      waitSeconds: this.#pace.waitMs / 1000,
    })) {
      if ('lost' in changes) this.#stored.clear()
      else this.#update(changes, pbds)
      const written = this.#sink.written().map(({ pbd }) => pbd)
      if (written.some(pbd => !pbds.includes(pbd)) || pbds.some(pbd => !written.includes(pbd))) return
    }
  }

  #update({ everything, events }: PoolChanges, pbds: readonly string[]): void {
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
