import { pause } from '../waiting/index.ts'
import { ReadingProcess, type ReadResult, type ReadStep } from './reading-process.ts'

export interface FileReaderOptions {
  /** How long one job may take, once its process has started. */
  readonly timeoutMs: number
  /** After how long a job that hung is tried again. */
  readonly retryAfterMs: number
  /** Gives up whatever is under way. */
  readonly signal: AbortSignal
}

export type Reading =
  | { readonly kind: 'done'; readonly results: readonly ReadResult[] }
  /** It has no answer: the path of the read that hangs. */
  | { readonly kind: 'hangs'; readonly at: string }
  /** It was not begun, or not by its own fault broken off: why nothing is read any more. */
  | { readonly kind: 'refused'; readonly why: string }

/** A job that hung. */
interface Hanging {
  readonly at: string
  readonly process: ReadingProcess
  readonly retryAt: number
}

/** How long a process may take to start on a busy host. */
const START_TIMEOUT_MS = 10_000
/** So many jobs are under way at a time; others wait. */
const MAX_BUSY = 16
/** So many processes may wait in the kernel where no signal ends them. Then nothing more is read. */
const MAX_STUCK = 32
/** A process without work is kept for so long: to start one costs as much as a hundred jobs. */
const IDLE_MS = 60_000

/**
 * Reads files that may hang in the kernel: those of /proc and sysfs hang while it holds the lock of what they describe. Each job
 * has a process of its own while it lasts, so what hangs delays nothing else, and neither this program's threads nor its end.
 *
 * Invariants: of jobs with the same key only one is under way; a job that hung is broken off, and answered at once with what hung
 * until it is tried again; the number of processes is bounded.
 */
export class FileReader {
  readonly #options: FileReaderOptions
  readonly #hanging = new Map<string, Hanging>()
  readonly #busy = new Set<Promise<unknown>>()
  readonly #stuck = new Set<ReadingProcess>()
  #idle: ReadingProcess | null = null
  #idleTimer: NodeJS.Timeout | undefined

  constructor(options: FileReaderOptions) {
    this.#options = options
    options.signal.addEventListener('abort', () => this.#endIdle(), { once: true })
  }

  /** @param key what the job is about */
  async read(key: string, steps: readonly ReadStep[]): Promise<Reading> {
    while (this.#busy.size >= MAX_BUSY) await Promise.race(this.#busy)
    const hanging = this.#hanging.get(key)
    if (hanging !== undefined && (!hanging.process.isGone || performance.now() < hanging.retryAt)) {
      return { kind: 'hangs', at: hanging.at }
    }
    const job = this.#readTwice(key, steps)
    this.#busy.add(job)
    try {
      return await job
    } finally {
      this.#busy.delete(job)
    }
  }

  /** A process that somebody killed is no fault of what it read. */
  async #readTwice(key: string, steps: readonly ReadStep[]): Promise<Reading> {
    return (await this.#readOnce(key, steps)) ?? (await this.#readOnce(key, steps)) ?? refused('no process reads files')
  }

  /** `null`: its process has ended. */
  async #readOnce(key: string, steps: readonly ReadStep[]): Promise<Reading | null> {
    const { signal, timeoutMs, retryAfterMs } = this.#options
    if (signal.aborted) return refused('this program is ending')
    if (this.#stuck.size >= MAX_STUCK) return refused('the kernel does not answer too many reads')
    const process = this.#takeIdle() ?? new ReadingProcess()
    const over = new AbortController()
    const waiting = AbortSignal.any([signal, over.signal])
    const late = async () => {
      await Promise.race([process.ready, pause(START_TIMEOUT_MS, waiting)])
      await pause(timeoutMs, waiting)
      return null
    }
    const results = await Promise.race([process.read(steps), late()])
    over.abort()
    if (results === null) {
      const at = steps[process.results.length]?.[0] ?? ''
      this.#giveUp(process)
      if (!signal.aborted) this.#hanging.set(key, { at, process, retryAt: performance.now() + retryAfterMs })
      return { kind: 'hangs', at }
    }
    if (results.length < steps.length) return null
    this.#hanging.delete(key)
    this.#rest(process)
    return { kind: 'done', results }
  }

  #giveUp(process: ReadingProcess): void {
    process.end()
    this.#stuck.add(process)
    void process.gone.then(() => this.#stuck.delete(process))
  }

  #takeIdle(): ReadingProcess | null {
    clearTimeout(this.#idleTimer)
    const idle = this.#idle
    this.#idle = null
    return idle?.isGone === true ? null : idle
  }

  #rest(process: ReadingProcess): void {
    if (this.#idle !== null || this.#options.signal.aborted) {
      process.end()
      return
    }
    this.#idle = process
    this.#idleTimer = setTimeout(() => this.#endIdle(), IDLE_MS).unref()
  }

  #endIdle(): void {
    this.#takeIdle()?.end()
  }
}

function refused(why: string): Reading {
  return { kind: 'refused', why }
}
