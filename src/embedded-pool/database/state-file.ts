import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { LockHeld, takeLock } from '../../platform/durable-file/lock-file.ts'
import { replaceFile } from '../../platform/durable-file/replace-file.ts'
import { codeOf, messageOf } from '../../platform/errors.ts'
import type { Clock } from '../../platform/time/clock.ts'

/** Far above the size of a real file: a pool of 64 hosts has a few MiB. */
const MAX_STATE_BYTES = 268_435_456
const RETRY_MS = { first: 1_000, max: 30_000 } as const

/** A state file that exists and cannot be used. Do not start with a new pool instead: it would block no host. */
export class StateFileError extends Error {
  readonly path: string

  constructor(path: string, problem: string) {
    super(`state file ${path}: ${problem}`)
    this.name = 'StateFileError'
    this.path = path
  }
}

/**
 * Locks the state file against other processes. A second pool on it, even one whose start fails, would write back what it read before
 * and so undo what the first pool has acknowledged since.
 * @returns the function that releases the lock; @throws StateFileError: another process uses the file
 */
export function holdStateFile(path: string, procDirectory: string): () => void {
  const lock = `${path}.lock`
  try {
    return takeLock(lock, procDirectory)
  } catch (error) {
    const problem = error instanceof LockHeld ? `${error.holder} uses it (${lock})` : messageOf(error)
    throw new StateFileError(path, problem)
  }
}

/** The text of a state file; `null` if it does not exist. @throws StateFileError */
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
  /** Returns the whole present state. */
  readonly encode: () => string
  readonly clock: Clock
  /** Time from a change to the write that includes it, unless a caller waits for it. */
  readonly delayMs: number
  /** Called when a write fails, before the callers that wait for it continue. */
  readonly onFailed?: () => void
  /** Called for every failed write. The write is tried again. */
  readonly onProblem: (problem: StateFileError) => void
}

/**
 * Keeps the state file equal to the state of the pool.
 *
 * Invariants: the file is the whole old state or the whole new one, whenever the process or the machine dies (a new file is synced and
 * renamed over the old one); writes do not overlap; callers of `saved` share a write that began after their change.
 */
export class StateFile {
  readonly #options: StateFileOptions
  /** Number of changes. */
  #version = 0
  /** Number of changes that the file includes. */
  #onDisk = 0
  #writing: Promise<void> | null = null
  #cancelTimer: (() => void) | null = null
  #retryMs: number = RETRY_MS.first
  #closed = false

  constructor(options: StateFileOptions) {
    this.#options = options
  }

  /** Records a change: the file includes it within the delay. */
  changed(): void {
    this.#version += 1
    this.#arm(this.#options.delayMs)
  }

  /** Resolves when every change up to this call is on disk. @throws StateFileError */
  async saved(): Promise<void> {
    const version = this.#version
    while (this.#onDisk < version) await (this.#writing ?? this.#write())
  }

  /** Makes the last write immediately. A problem is reported, not thrown. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancelTimer?.()
    this.#cancelTimer = null
    // the problem was reported when it occurred
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
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS.max)
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
    // other_config may contain secrets: only the owner may read the file
    await replaceFile(path, bytes)
  }
}
