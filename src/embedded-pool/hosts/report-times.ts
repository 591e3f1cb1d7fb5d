import type { Clock } from '../../platform/time/clock.ts'
import { REPORT_KEY } from '../../sync-query/report/report.ts'
import type { Database } from '../database/database.ts'
import type { StringMap } from '../database/records.ts'

/**
 * When each PBD's report was last written by its host, which confirms it even if the text is the same.
 *
 * Only adding the key, or replacing its text, is the host's own word. A client that reads other_config, changes another
 * key and sets the whole map would otherwise keep the report of a dead daemon alive.
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

  /** Before the key is added to a PBD. */
  added(pbdRef: string, key: string): void {
    if (key === REPORT_KEY) this.#writtenAtMs.set(pbdRef, this.#clock.now())
  }

  /** Before a PBD's whole map is replaced. */
  replaced(pbdRef: string, before: StringMap, after: StringMap): void {
    if (after[REPORT_KEY] !== before[REPORT_KEY]) this.#writtenAtMs.set(pbdRef, this.#clock.now())
  }

  /** Milliseconds of the epoch; `null`: never in this run. */
  writtenAtMs(pbdRef: string): number | null {
    return this.#writtenAtMs.get(pbdRef) ?? null
  }
}
