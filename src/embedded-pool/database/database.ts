import { randomUUID } from 'node:crypto'
import type { ClassName, RecordTypes } from './records.ts'
import { Table } from './table.ts'
import { withoutChange } from './without-change.ts'

/**
 * The database of the pool: one table per class, in memory.
 *
 * Invariants: every write increments `generation`, also a write of the same value (stock: db_cache_impl.ml write_field_locked), and
 * stamps its row with it. Subscribers are called synchronously after the write and before it returns, so they decide before any
 * other write. An error of a subscriber is reported and breaks neither the write nor the other subscribers.
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
  /** The steps that undo the recorded writes, the first write first; `null` while nothing is recorded. */
  #undo: (() => void)[] | null = null

  /**
   * @param firstGeneration of this run. It must be above every generation of earlier runs: otherwise the old token of a client would
   *   hide all changes until the counter passed it (stock xapi persists its generation for the same reason).
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
   * Runs a function and records its writes up to its first `await`. If it throws, the writes are undone.
   * @returns its result, and a function that undoes the writes; later writes of others stay
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

  /** Records an undo step for data outside the records, if a call is being recorded. */
  undoable(step: () => void): void {
    this.#undo?.push(step)
  }

  /**
   * Restores a row of an earlier run without a notification. It counts as changed now: what a client with an old token saw last may
   * have been lost with the earlier run.
   */
  restore<C extends ClassName>(cls: C, ref: string, record: RecordTypes[C]): void {
    this.#generation += 1
    this.#tables[cls].put(ref, { record, created: 1, modified: this.#generation })
  }

  /**
   * Takes an image of some tables.
   * @returns the function that puts them and the generation back to the image, as a killed xapi that starts with the file on its disk: a
   *   token of a client from after the image yields nothing until the generation has passed it
   */
  image(classes: readonly ClassName[]): () => void {
    const generation = this.#generation
    const restores = classes.map(cls => ({ cls, restore: this.#tables[cls].image() }))
    return () => {
      this.#generation = generation
      for (const table of Object.values(this.#tables)) table.rewind(generation)
      const changes = restores.flatMap(({ cls, restore }) => restore().map(change => ({ cls, ...change })))
      for (const change of changes) this.#notify(change)
    }
  }

  /** Writes some fields. Returns false if there is no such row. */
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

  /** Counts an unchanged row as written, which makes an event. Returns false if there is no such row. */
  touch(cls: ClassName, ref: string): boolean {
    if (!this.#tables[cls].touch(ref, this.#generation + 1)) return false
    this.#generation += 1
    this.#notify({ cls, ref, operation: 'mod', isTouch: true })
    return true
  }

  /** Returns false if there is no such row. */
  delete<C extends ClassName>(cls: C, ref: string): boolean {
    const table: Table<RecordTypes[C]> = this.#tables[cls]
    const row = table.rows.get(ref)
    if (row === undefined) return false
    this.#generation += 1
    table.remove(ref, this.#generation)
    this.#notify({ cls, ref, operation: 'del' })
    // recorded after the steps of the subscribers, so that undo restores the row before theirs
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

  /** The present rows, oldest first. */
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
   * The changes of a table after a generation: one entry per changed row, none for a row created and deleted since. Deletions that
   * have left the bounded queue are missing (`hasLostDeletions`).
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

  /** Whether deletions after a generation are missing that the reader may need. */
  hasLostDeletions(cls: ClassName, generation: number): boolean {
    // a reader that starts knows no row
    return generation > 0 && this.#tables[cls].forgottenUpTo > generation
  }

  /** Calls the subscriber for every change, within the write. Returns the function that ends the subscription. */
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
  /** The row is unchanged: a client requested the event. */
  readonly isTouch?: true
}
