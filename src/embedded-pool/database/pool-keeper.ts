import type { Clock } from '../../platform/time/clock.ts'
import type { HostPresence } from '../hosts/host-presence.ts'
import type { Database } from './database.ts'
import type { ClassName } from './records.ts'
import { decodeState, encodeState, LASTING_CLASSES, type LastingClass, type StoredPool } from './state-codec.ts'
import { holdStateFile, readStateFile, StateFile, StateFileError } from './state-file.ts'

export interface PoolKeeperOptions {
  /** `undefined`: the pool is not kept. */
  readonly path: string | undefined
  readonly opened: OpenedState
  readonly clock: Clock
  readonly delayMs: number
  readonly onProblem: (problem: StateFileError) => void
}

/** A state file that this process has locked. */
interface OpenedState {
  /** Its content; `null` if the file does not exist yet. */
  readonly stored: StoredPool | null
  readonly release: () => void
}

/** The writes of one call that may not be on disk yet. */
interface Unsaved {
  readonly undo: () => void
  isUndone: boolean
}

/** Restores the pool of an earlier run, and keeps the present pool in the state file. */
export class PoolKeeper {
  readonly #file: StateFile | null
  readonly #release: () => void
  readonly #path: string
  /** Oldest first. */
  #unsaved: Unsaved[] = []

  /** Locks the file before it reads it, because another pool could still write it. @throws StateFileError */
  static open(path: string | undefined, procDirectory: string): OpenedState {
    if (path === undefined) return { stored: null, release: () => undefined }
    const release = holdStateFile(path, procDirectory)
    try {
      return { stored: storedIn(path), release }
    } catch (error) {
      release()
      throw error
    }
  }

  /** Restores the earlier pool before the first notification of a change. */
  constructor(db: Database, presence: HostPresence, { path, opened, clock, delayMs, onProblem }: PoolKeeperOptions) {
    this.#release = opened.release
    this.#path = path ?? ''
    if (opened.stored !== null) restore(db, presence, opened.stored)
    if (path === undefined) {
      this.#file = null
      return
    }
    const encode = () => encodeState(stateOf(db, presence))
    const onFailed = () => this.#undoUnsaved()
    const file = new StateFile({ path, encode, clock, delayMs, onFailed, onProblem })
    db.subscribe(({ cls, isTouch }) => {
      if (isLasting(cls) && isTouch !== true) file.changed()
    })
    this.#file = file
  }

  /** @throws StateFileError */
  async saved(): Promise<void> {
    await this.#file?.saved()
  }

  /**
   * Keeps the writes of a call: resolves when they are on disk.
   * @param undo undoes the writes
   * @throws StateFileError: they cannot be written, and are undone
   */
  async keep(undo: () => void): Promise<void> {
    if (this.#file === null) return
    const own: Unsaved = { undo, isUndone: false }
    this.#unsaved.push(own)
    await this.#file.saved()
    this.#unsaved = this.#unsaved.filter(one => one !== own)
    if (own.isUndone) throw new StateFileError(this.#path, 'the writes of the call were undone')
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#release()
  }

  /**
   * A write of the file has failed, so every waiting call fails: those whose changes were in it, and later ones. The latest change is
   * undone first, so that each undo finds the state that its call has written.
   */
  #undoUnsaved(): void {
    for (const one of this.#unsaved.splice(0).reverse()) {
      one.isUndone = true
      one.undo()
    }
  }
}

function storedIn(path: string): StoredPool | null {
  const text = readStateFile(path)
  if (text === null) return null
  const read = decodeState(text)
  if ('problem' in read) throw new StateFileError(path, read.problem)
  return read.state
}

function restore(db: Database, presence: HostPresence, { tables, hosts }: StoredPool): void {
  for (const [ref, pool] of tables.pool) db.restore('pool', ref, pool)
  // The tasks of current_operations ended with the earlier process (stock: helpers.ml:1181-1203). The allowed_operations of the
  // earlier run do not hold now: a client that reads them before the gate has computed would see that hosts may reboot.
  const anew = { current_operations: {}, allowed_operations: [] }
  for (const [ref, host] of tables.host) db.restore('host', ref, { ...host, ...anew })
  for (const [ref, metrics] of tables.host_metrics) db.restore('host_metrics', ref, metrics)
  for (const [ref, sr] of tables.SR) db.restore('SR', ref, sr)
  for (const [ref, pbd] of tables.PBD) db.restore('PBD', ref, pbd)
  for (const [ref, message] of tables.message) db.restore('message', ref, message)
  presence.restore(hosts)
}

function stateOf(db: Database, presence: HostPresence): StoredPool {
  return {
    generation: db.generation,
    tables: {
      pool: new Map(db.list('pool')),
      host: new Map(db.list('host')),
      host_metrics: new Map(db.list('host_metrics')),
      SR: new Map(db.list('SR')),
      PBD: new Map(db.list('PBD')),
      message: new Map(db.list('message')),
    },
    hosts: new Map(presence.lasting()),
  }
}

function isLasting(cls: ClassName): cls is LastingClass {
  return LASTING_CLASSES.some(one => one === cls)
}
