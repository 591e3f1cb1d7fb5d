import type { Clock } from '../../platform/time/clock.ts'
import type { HostPresence } from '../hosts/host-presence.ts'
import type { Database } from './database.ts'
import type { ClassName } from './records.ts'
import { decodeState, encodeState, LASTING_CLASSES, type LastingClass, type StoredPool } from './state-codec.ts'
import { holdStateFile, readStateFile, StateFile, StateFileError } from './state-file.ts'

export interface PoolKeeperOptions {
  /** `undefined`: nothing is kept. */
  readonly path: string | undefined
  readonly opened: OpenedState
  readonly clock: Clock
  readonly delayMs: number
  readonly onProblem: (problem: StateFileError) => void
}

/** A state file that is this process's alone. */
interface OpenedState {
  /** What it holds; `null`: there is none yet. */
  readonly stored: StoredPool | null
  readonly release: () => void
}

/** What one call has written. */
interface Unsaved {
  readonly undo: () => void
  isTakenBack: boolean
}

/** Puts the pool of an earlier run back, and keeps the present one in its file. */
export class PoolKeeper {
  readonly #file: StateFile | null
  readonly #release: () => void
  readonly #path: string
  /** What calls have written that may not be on disk yet, the oldest first. */
  #unsaved: Unsaved[] = []

  /** Held before it is read: what was read beside a pool that still writes would be old at once. @throws StateFileError */
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

  /** Invariant: the earlier pool is there before anybody is told of a change. */
  constructor(db: Database, presence: HostPresence, { path, opened, clock, delayMs, onProblem }: PoolKeeperOptions) {
    this.#release = opened.release
    this.#path = path ?? ''
    if (opened.stored !== null) restore(db, presence, opened.stored)
    if (path === undefined) {
      this.#file = null
      return
    }
    const encode = () => encodeState(stateOf(db, presence))
    const onFailed = () => this.#takeBack()
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
   * Keeps what a call has written: resolves when it is on disk.
   * @param undo takes it back
   * @throws StateFileError it cannot be written, and was taken back
   */
  async keep(undo: () => void): Promise<void> {
    if (this.#file === null) return
    const own: Unsaved = { undo, isTakenBack: false }
    this.#unsaved.push(own)
    await this.#file.saved()
    this.#unsaved = this.#unsaved.filter(one => one !== own)
    if (own.isTakenBack) throw new StateFileError(this.#path, 'what was written was taken back')
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#release()
  }

  /**
   * A write has failed, so every call that waits for one fails: those whose changes were in it, and later ones. The latest
   * change is taken back first, so that each finds what it has written.
   */
  #takeBack(): void {
    for (const one of this.#unsaved.splice(0).reverse()) {
      one.isTakenBack = true
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
  // Operations of tasks that are gone with the process (stock: helpers.ml:1181-1203). And what the earlier run has allowed, by
  // what it knew, is not allowed now: whoever asks before the gate has computed would be told that hosts may go.
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
