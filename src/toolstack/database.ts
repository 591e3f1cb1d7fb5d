import { randomUUID } from 'node:crypto'
import type { ClassName, RecordTypes } from './records.ts'

/**
 * The pool's database: one table per class, in memory.
 *
 * Invariants: every write raises `generation` by one, also a write of the same value (as stock does:
 * db_cache_impl.ml write_field_locked), and stamps its row with it. Subscribers are told synchronously, after the write,
 * before it returns: what they decide in that call is decided before anybody else can write. A subscriber that throws
 * is reported and never breaks the write or the other subscribers.
 */
export class Database {
  readonly #tables: { readonly [C in ClassName]: Table<RecordTypes[C]> } = {
    pool: new Table(),
    host: new Table(),
    host_metrics: new Table(),
    SR: new Table(),
    PBD: new Table(),
    task: new Table(),
    message: new Table(),
    session: new Table(),
  }
  readonly #subscribers = new Set<(change: Change) => void>()
  readonly #onBug: (bug: unknown) => void
  #generation: number

  /**
   * @param firstGeneration of this run. It must be above every generation of earlier runs: a client's old token would
   *   otherwise hide all changes until the counter passed it (stock persists its generation for the same reason).
   */
  constructor(firstGeneration: number, onBug: (bug: unknown) => void) {
    this.#generation = firstGeneration
    this.#onBug = onBug
  }

  get generation(): number {
    return this.#generation
  }

  /** Adds a row and returns its new ref. */
  create<C extends ClassName>(cls: C, record: RecordTypes[C]): string {
    const ref = `OpaqueRef:${randomUUID()}`
    this.#generation += 1
    this.#tables[cls].rows.set(ref, { record, created: this.#generation, modified: this.#generation })
    this.#notify({ cls, ref, operation: 'add' })
    return ref
  }

  /** Writes some fields. False: there is no such row. */
  update<C extends ClassName>(cls: C, ref: string, fields: Partial<RecordTypes[C]>): boolean {
    const row = this.#tables[cls].rows.get(ref)
    if (row === undefined) return false
    this.#generation += 1
    row.record = { ...row.record, ...fields }
    row.modified = this.#generation
    this.#notify({ cls, ref, operation: 'mod' })
    return true
  }

  /** False: there is no such row. */
  delete(cls: ClassName, ref: string): boolean {
    const table = this.#tables[cls]
    const row = table.rows.get(ref)
    if (row === undefined) return false
    this.#generation += 1
    table.rows.delete(ref)
    table.deleted.push({ ref, created: row.created, deleted: this.#generation })
    if (table.deleted.length > MAX_DELETED) table.deleted.splice(0, table.deleted.length - MIN_DELETED)
    this.#notify({ cls, ref, operation: 'del' })
    return true
  }

  get<C extends ClassName>(cls: C, ref: string): RecordTypes[C] | undefined {
    return this.#tables[cls].rows.get(ref)?.record
  }

  has(cls: ClassName, ref: string): boolean {
    return this.#tables[cls].rows.has(ref)
  }

  /** The rows as they are now, oldest first. */
  list<C extends ClassName>(cls: C): readonly (readonly [ref: string, record: RecordTypes[C]])[] {
    return Array.from(this.#tables[cls].rows, ([ref, row]) => [ref, row.record] as const)
  }

  /** How many rows a table has. */
  count(cls: ClassName): number {
    return this.#tables[cls].rows.size
  }

  /** The ref of the oldest row. */
  oldest(cls: ClassName): string | undefined {
    return this.#tables[cls].rows.keys().next().value
  }

  /**
   * What happened to a table after a generation: one entry per row however often it changed, none for a row created and
   * deleted since. A deletion that has left the bounded queue is not told: readers compare counts.
   */
  changesSince(cls: ClassName, generation: number): readonly Change[] {
    const { rows, deleted } = this.#tables[cls]
    const changes: Change[] = []
    for (const [ref, row] of rows) {
      if (row.created > generation) changes.push({ cls, ref, operation: 'add' })
      else if (row.modified > generation) changes.push({ cls, ref, operation: 'mod' })
    }
    for (const gone of deleted) {
      if (gone.deleted > generation && gone.created <= generation)
        changes.push({ cls, ref: gone.ref, operation: 'del' })
    }
    return changes
  }

  /** Calls back on every change, in the same call as the write. Returns the way to stop it. */
  subscribe(subscriber: (change: Change) => void): () => void {
    this.#subscribers.add(subscriber)
    return () => this.#subscribers.delete(subscriber)
  }

  #notify(change: Change): void {
    for (const subscriber of [...this.#subscribers]) {
      try {
        subscriber(change)
      } catch (bug) {
        this.#onBug(bug)
      }
    }
  }
}

export interface Change {
  readonly cls: ClassName
  readonly ref: string
  readonly operation: 'add' | 'mod' | 'del'
}

/** Stock keeps the last 256 to 512 deletions of a table (db_cache_types.ml Table.remove). */
const MAX_DELETED = 512
const MIN_DELETED = 256

class Table<T> {
  readonly rows = new Map<string, { record: T; readonly created: number; modified: number }>()
  readonly deleted: { readonly ref: string; readonly created: number; readonly deleted: number }[] = []
}
