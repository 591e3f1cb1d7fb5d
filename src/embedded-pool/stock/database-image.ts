import type { Database } from '../database/database.ts'
import type { ClassName, RecordTypes } from '../database/records.ts'

/** Messages are files of their own, and sessions and tasks are never written. */
const WRITTEN_CLASSES = ['pool', 'host_metrics', 'host', 'SR', 'PBD'] as const satisfies readonly ClassName[]

/** The database of a stock xapi as it was last written to disk. */
export class DatabaseImage {
  readonly #db: Database
  readonly #tables: readonly { restore(): void }[]

  constructor(db: Database) {
    this.#db = db
    this.#tables = WRITTEN_CLASSES.map(cls => tableImage(db, cls))
  }

  /**
   * Puts the database back to the image; current_operations are not on disk. The generation goes on: readers see the old values as new
   * changes.
   */
  restore(): void {
    for (const table of this.#tables) table.restore()
    for (const [ref, { current_operations }] of this.#db.list('host')) {
      if (Object.keys(current_operations).length > 0) this.#db.update('host', ref, { current_operations: {} })
    }
  }
}

function tableImage<C extends ClassName>(db: Database, cls: C): { restore(): void } {
  const rows: ReadonlyMap<string, RecordTypes[C]> = new Map(db.list(cls))
  return {
    restore: () => {
      for (const [ref] of db.list(cls)) if (!rows.has(ref)) db.delete(cls, ref)
      for (const [ref, record] of rows) {
        if (!db.has(cls, ref)) db.restore(cls, ref, record)
        else if (db.get(cls, ref) !== record) db.update(cls, ref, record)
      }
    },
  }
}
