import type { Clock } from '../../platform/time/clock.ts'
import { REPORT_KEY } from '../../sync-query/report/report.ts'
import type { Database } from '../database/database.ts'
import type { StringMap } from '../database/records.ts'

/**
 * Records when the host of each PBD last wrote its report. A write confirms the report even if the text is the same.
 *
 * Only adding the key or changing its text counts as a write by the host. Otherwise a client that reads other_config, changes another
 * key and sets the whole map would confirm the report of a dead agent.
 */
export class ReportTimes {
  readonly #writtenAtMs = new Map<string, number>()
  readonly #clock: Clock

  constructor(db: Database, clock: Clock) {
    this.#clock = clock
    db.subscribe(({ cls, ref, operation }) => {
      if (cls === 'PBD' && operation === 'del') this.#writtenAtMs.delete(ref)
    })
  }

  /** Call it before a key is added to a PBD. */
  added(pbdRef: string, key: string): void {
    if (key === REPORT_KEY) this.#writtenAtMs.set(pbdRef, this.#clock.now())
  }

  /** Call it before the whole map of a PBD is replaced. */
  replaced(pbdRef: string, before: StringMap, after: StringMap): void {
    if (after[REPORT_KEY] !== before[REPORT_KEY]) this.#writtenAtMs.set(pbdRef, this.#clock.now())
  }

  /** Unix time in milliseconds; `null` if the report was not written in this run. */
  writtenAtMs(pbdRef: string): number | null {
    return this.#writtenAtMs.get(pbdRef) ?? null
  }
}
