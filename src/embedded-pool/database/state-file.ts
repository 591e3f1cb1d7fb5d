import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { LockHeld, takeLock } from '../../platform/durable-file/lock-file.ts'
import { replaceFile } from '../../platform/durable-file/replace-file.ts'
import { codeOf, messageOf } from '../../platform/errors.ts'
import type { Clock } from '../../platform/time/clock.ts'

/** Beyond this something has gone wrong: a pool of 64 hosts has a few MiB. */
const MAX_STATE_BYTES = 268_435_456
const RETRY_MS = { first: 1_000, most: 30_000 } as const

/** A state file that is there and cannot be used. Never a reason to begin with a new pool: that one would block nobody. */
export class StateFileError extends Error {
  readonly path: string

  constructor(path: string, problem: string) {
    super(`state file ${path}: ${problem}`)
    this.name = 'StateFileError'
    this.path = path
  }
}

/**
 * Keeps every other process from the file until it is released: a second pool on it, even one that only fails to start,
 * would put back what it read before, and so undo what the first has acknowledged since.
 * @returns releases it; @throws StateFileError: another process keeps its pool there
 */
export function holdStateFile(path: string, procDirectory: string): () => void {
  const lock = `${path}.lock`
  try {
    return takeLock(lock, procDirectory)
  } catch (error) {
    const problem = error instanceof LockHeld ? `${error.holder} keeps its pool there (${lock})` : messageOf(error)
    throw new StateFileError(path, problem)
  }
}

/** The text of a state file; `null` if there is none. @throws StateFileError */
export function readStateFile(path: string): string | null {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw new StateFileError(path, messageOf(error))
  }
  try {
    const { size } = fstatSync(file)
    if (size > MAX_STATE_BYTES) throw new StateFileError(path, `it is larger than ${MAX_STATE_BYTES} bytes`)
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw error instanceof StateFileError ? error : new StateFileError(path, messageOf(error))
  } finally {
    closeSync(file)
  }
}

export interface StateFileOptions {
  readonly path: string
  /** The whole state as it is now. */
  readonly encode: () => string
  readonly clock: Clock
  /** From a change to the write that takes it along, unless somebody waits for it. */
  readonly delayMs: number
  /** Called in the step in which a write fails, before anybody who waits for it goes on. */
  readonly onFailed?: () => void
  /** Told of every write that failed. It is tried again. */
  readonly onProblem: (problem: StateFileError) => void
}

/**
 * Keeps a file at what the pool knows.
 *
 * Invariants: the file is the whole old state or the whole new one, whenever the process or the machine dies (a new file,
 * synced, takes the old one's name); one write at a time; who waits for `saved` waits for a write that began after the
 * change, shared with all who wait.
 */
export class StateFile {
  readonly #options: StateFileOptions
  /** Counts changes. */
  #version = 0
  /** Up to which change the file is. */
  #onDisk = 0
  #writing: Promise<void> | null = null
  #cancelTimer: (() => void) | null = null
  #retryMs: number = RETRY_MS.first
  #closed = false

  constructor(options: StateFileOptions) {
    this.#options = options
  }

  /** Something is different: it will be in the file within the delay. */
  changed(): void {
    this.#version += 1
    this.#arm(this.#options.delayMs)
  }

  /** Resolves when every change up to this call is on disk. @throws StateFileError */
  async saved(): Promise<void> {
    const version = this.#version
    while (this.#onDisk < version) await (this.#writing ?? this.#write())
  }

  /** The last write, at once. A problem is told, not thrown. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancelTimer?.()
    this.#cancelTimer = null
    // the problem was told where it arose
    await this.saved().catch(() => undefined)
  }

  #arm(delayMs: number): void {
    if (this.#closed || this.#cancelTimer !== null) return
    this.#cancelTimer = this.#options.clock.after(delayMs, () => {
      this.#cancelTimer = null
      this.saved().catch(() => this.#retry())
    })
  }

  #retry(): void {
    this.#arm(this.#retryMs)
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS.most)
  }

  #write(): Promise<void> {
    const version = this.#version
    this.#writing = this.#replaceFile().then(
      () => {
        this.#writing = null
        this.#onDisk = version
        this.#retryMs = RETRY_MS.first
      },
      error => {
        this.#options.onFailed?.()
        this.#writing = null
        const problem =
          error instanceof StateFileError ? error : new StateFileError(this.#options.path, messageOf(error))
        this.#options.onProblem(problem)
        throw problem
      },
    )
    return this.#writing
  }

  async #replaceFile(): Promise<void> {
    const { path, encode } = this.#options
    const bytes = Buffer.from(encode())
    if (bytes.length > MAX_STATE_BYTES)
      throw new StateFileError(path, `it would be larger than ${MAX_STATE_BYTES} bytes`)
    // other_config may hold secrets: nobody else may read it.
    await replaceFile(path, bytes)
  }
}
