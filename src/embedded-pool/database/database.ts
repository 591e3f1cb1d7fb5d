import { randomUUID } from 'node:crypto'
import type { ClassName, RecordTypes } from './records.ts'
import { withoutChange } from './without-change.ts'

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
  readonly #subscribers = new Set<(change: RecordChange) => void>()
  readonly #onBug: (bug: unknown) => void
  #generation: number
  /** How to take back what is written at present, the first step last; `null`: nobody asks. */
  #undo: (() => void)[] | null = null

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
    this.#tables[cls].put(ref, { record, created: this.#generation, modified: this.#generation })
    this.undoable(() => this.delete(cls, ref))
    this.#notify({ cls, ref, operation: 'add' })
    return ref
  }

  /**
   * Runs something, and notes what it writes before it gives way for the first time. If it throws, that is taken back.
   * @returns its result, and the way to take back what it has written: what others have written since stays
   */
  recorded<T>(run: () => T): { readonly result: T; readonly undo: () => void } {
    const steps: (() => void)[] = []
    const undo = () => {
      for (const step of steps.splice(0).reverse()) step()
    }
    this.#undo = steps
    try {
      const result = run()
      this.#undo = null
      return { result, undo }
    } catch (failure) {
      this.#undo = null
      undo()
      throw failure
    }
  }

  /** Adds a step to what is recorded, if anything is: for what is kept beside the records. */
  undoable(step: () => void): void {
    this.#undo?.push(step)
  }

  /**
   * Puts a row of an earlier run back; nobody is told. It counts as changed now, whatever a client's old token says: what
   * that client saw last may have been lost with the earlier run.
   */
  restore<C extends ClassName>(cls: C, ref: string, record: RecordTypes[C]): void {
    this.#generation += 1
    this.#tables[cls].put(ref, { record, created: 1, modified: this.#generation })
  }

  /** Writes some fields. False: there is no such row. */
  update<C extends ClassName>(cls: C, ref: string, fields: Partial<RecordTypes[C]>): boolean {
    const table = this.#tables[cls]
    const row = table.rows.get(ref)
    if (row === undefined) return false
    this.#generation += 1
    const record = { ...row.record, ...fields }
    table.put(ref, { record, created: row.created, modified: this.#generation })
    this.undoable(() => {
      const now = this.get(cls, ref)
      if (now !== undefined) this.update(cls, ref, withoutChange(now, row.record, record))
    })
    this.#notify({ cls, ref, operation: 'mod' })
    return true
  }

  /** Counts a row as written, for those who follow it; nothing is different. False: there is no such row. */
  touch(cls: ClassName, ref: string): boolean {
    if (!this.#tables[cls].touch(ref, this.#generation + 1)) return false
    this.#generation += 1
    this.#notify({ cls, ref, operation: 'mod', isTouch: true })
    return true
  }

  /** False: there is no such row. */
  delete<C extends ClassName>(cls: C, ref: string): boolean {
    const table: Table<RecordTypes[C]> = this.#tables[cls]
    const row = table.rows.get(ref)
    if (row === undefined) return false
    this.#generation += 1
    table.remove(ref, this.#generation)
    this.#notify({ cls, ref, operation: 'del' })
    // after what subscribers have noted: the row is back before theirs is
    this.undoable(() => {
      this.#generation += 1
      table.putBack(ref, { ...row, modified: this.#generation })
      this.#notify({ cls, ref, operation: 'add' })
    })
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

  /** The generation of the last write to a table. */
  lastWrite(cls: ClassName): number {
    return this.#tables[cls].lastWrite
  }

  /**
   * What happened to a table after a generation: one entry per row however often it changed, none for a row created and
   * deleted since. Deletions that have left the bounded queue are missing (`hasLostDeletions`).
   */
  changesSince(cls: ClassName, generation: number): readonly RecordChange[] {
    const table = this.#tables[cls]
    if (table.lastWrite <= generation) return []
    const changes: RecordChange[] = []
    for (const { ref, created } of table.modifiedSince(generation)) {
      changes.push({ cls, ref, operation: created > generation ? 'add' : 'mod' })
    }
    for (const gone of table.deleted) {
      if (gone.deleted > generation && gone.created <= generation)
        changes.push({ cls, ref: gone.ref, operation: 'del' })
    }
    return changes
  }

  /** Whether rows of a table that a reader may know were deleted after a generation, and it can no longer be said which. */
  hasLostDeletions(cls: ClassName, generation: number): boolean {
    // who begins knows no row
    return generation > 0 && this.#tables[cls].forgottenUpTo > generation
  }

  /** Calls back on every change, in the same call as the write. Returns the way to stop it. */
  subscribe(subscriber: (change: RecordChange) => void): () => void {
    this.#subscribers.add(subscriber)
    return () => this.#subscribers.delete(subscriber)
  }

  #notify(change: RecordChange): void {
    for (const subscriber of [...this.#subscribers]) {
      try {
        subscriber(change)
      } catch (bug) {
        this.#onBug(bug)
      }
    }
  }
}

export interface RecordChange {
  readonly cls: ClassName
  readonly ref: string
  readonly operation: 'add' | 'mod' | 'del'
  /** The row is as it was before: a client asked for the event. */
  readonly isTouch?: true
}

/** Stock keeps the last 256 to 512 deletions of a table (db_cache_types.ml Table.remove). */
const MAX_DELETED = 512
const MIN_DELETED = 256
/** The log of writes is cleaned when it holds this many entries more than twice what it needs. */
const LOG_SLACK = 64

interface Row<T> {
  readonly record: T
  readonly created: number
  readonly modified: number
}

/** Invariant: every row has exactly one entry in the log with its own `modified`; the other entries are overtaken. */
class Table<T> {
  readonly rows = new Map<string, Row<T>>()
  readonly deleted: { readonly ref: string; readonly created: number; readonly deleted: number }[] = []
  lastWrite = 0
  /** The generation of the last deletion that has left the queue. */
  forgottenUpTo = 0
  /** Every write, the oldest first: who asks what is new looks at the end only, not at all rows. */
  #log: { readonly ref: string; readonly generation: number }[] = []

  put(ref: string, row: Row<T>): void {
    this.rows.set(ref, row)
    this.lastWrite = row.modified
    this.#log.push({ ref, generation: row.modified })
    if (this.#log.length > 2 * this.rows.size + LOG_SLACK) {
      this.#log = this.#log.filter(({ ref, generation }) => this.rows.get(ref)?.modified === generation)
    }
  }

  /** A row that was removed a moment ago. Whoever reads changes must not hear of its removal after its return. */
  putBack(ref: string, row: Row<T>): void {
    const at = this.deleted.findIndex(gone => gone.ref === ref)
    if (at >= 0) this.deleted.splice(at, 1)
    this.put(ref, row)
  }

  touch(ref: string, generation: number): boolean {
    const row = this.rows.get(ref)
    if (row !== undefined) this.put(ref, { ...row, modified: generation })
    return row !== undefined
  }

  remove(ref: string, generation: number): boolean {
    const row = this.rows.get(ref)
    if (row === undefined) return false
    this.rows.delete(ref)
    this.lastWrite = generation
    this.deleted.push({ ref, created: row.created, deleted: generation })
    if (this.deleted.length > MAX_DELETED) {
      const forgotten = this.deleted.splice(0, this.deleted.length - MIN_DELETED)
      this.forgottenUpTo = forgotten.at(-1)?.deleted ?? this.forgottenUpTo
    }
    return true
  }

  /** The rows that were written after a generation, in the order of their last writes. */
  modifiedSince(generation: number): readonly { readonly ref: string; readonly created: number }[] {
    return this.#log.slice(this.#firstAfter(generation)).flatMap(({ ref, generation }) => {
      const row = this.rows.get(ref)
      return row?.modified === generation ? [{ ref, created: row.created }] : []
    })
  }

  #firstAfter(generation: number): number {
    let low = 0
    let high = this.#log.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#log[middle]?.generation ?? 0) > generation) high = middle
      else low = middle + 1
    }
    return low
  }
}
