/** Stock xapi keeps the last 256 to 512 deletions of a table (db_cache_types.ml Table.remove). */
const MAX_DELETED = 512
const MIN_DELETED = 256
/** The log of writes is cleaned when it holds this many entries more than twice what it needs. */
const LOG_SLACK = 64

interface Row<T> {
  readonly record: T
  readonly created: number
  readonly modified: number
}

interface RowChange {
  readonly ref: string
  readonly operation: 'add' | 'mod' | 'del'
}

/** One table. Invariant: the log has exactly one entry per row with its `modified`; its other entries are obsolete. */
export class Table<T> {
  readonly rows = new Map<string, Row<T>>()
  readonly deleted: { readonly ref: string; readonly created: number; readonly deleted: number }[] = []
  lastWrite = 0
  /** The generation of the last deletion that was dropped from the queue. */
  forgottenUpTo = 0
  /** Every write, oldest first: a question for recent changes reads the end only, not all rows. */
  #log: { readonly ref: string; readonly generation: number }[] = []

  put(ref: string, row: Row<T>): void {
    this.rows.set(ref, row)
    this.lastWrite = row.modified
    this.#log.push({ ref, generation: row.modified })
    if (this.#log.length > 2 * this.rows.size + LOG_SLACK) {
      this.#log = this.#log.filter(({ ref, generation }) => this.rows.get(ref)?.modified === generation)
    }
  }

  /** Returns the function that puts the rows back, with their generations, and returns what it has changed. */
  image(): () => readonly RowChange[] {
    const image = new Map(this.rows)
    return () => {
      const before = new Map(this.rows)
      this.#load(image)
      const gone = [...before.keys()].filter(ref => !image.has(ref))
      const changed = [...image].filter(([ref, { record }]) => before.get(ref)?.record !== record)
      return [
        ...gone.map(ref => ({ ref, operation: 'del' as const })),
        ...changed.map(([ref]) => ({ ref, operation: before.has(ref) ? ('mod' as const) : ('add' as const) })),
      ]
    }
  }

  /** Sets every generation back to a lower one, and forgets the deletions. */
  rewind(generation: number): void {
    const rows = Array.from(this.rows, ([ref, { record, created, modified }]): [string, Row<T>] => [
      ref,
      { record, created: Math.min(created, generation), modified: Math.min(modified, generation) },
    ])
    this.#load(new Map(rows))
    this.forgottenUpTo = Math.min(this.forgottenUpTo, generation)
  }

  #load(rows: ReadonlyMap<string, Row<T>>): void {
    this.rows.clear()
    this.deleted.splice(0)
    for (const [ref, row] of rows) this.rows.set(ref, row)
    const log = Array.from(rows, ([ref, { modified }]) => ({ ref, generation: modified }))
    this.#log = log.toSorted((a, b) => a.generation - b.generation)
    this.lastWrite = this.#log.at(-1)?.generation ?? 0
  }

  /** Restores a deleted row and drops its deletion, so that readers of changes do not get the deletion after the restore. */
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
