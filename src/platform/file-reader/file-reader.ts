import { type Clock, sleep } from '../time/clock.ts'
import { ProcessPool } from './process-pool.ts'
import type { ReadingProcess, ReadResult, ReadStep } from './reading-process.ts'

export interface FileReaderOptions {
  /** How long one job may take, once its process has started. */
  readonly timeoutMs: number
  /** After how long a job that hung is tried again. */
  readonly retryAfterMs: number
  readonly clock: Clock
  /** Gives up whatever is under way. */
  readonly signal: AbortSignal
  /** Shares its idle process with other readers; absent: it has one of its own. */
  readonly pool?: ProcessPool | undefined
}

export type Reading =
  | { readonly kind: 'done'; readonly results: readonly ReadResult[] }
  /** It has no answer: the path of the read that hangs. */
  | { readonly kind: 'hangs'; readonly at: string }
  /** It was not begun, or not by its own fault broken off: why nothing is read any more. */
  | { readonly kind: 'refused'; readonly why: string }

export interface ReadJob {
  /** What it is about. */
  readonly key: string
  readonly steps: readonly ReadStep[]
}

/** A job that hung. */
interface Hanging {
  readonly at: string
  readonly process: ReadingProcess
  readonly retryAt: number
  isRetried: boolean
}

/** How long a process may take to start on a busy host. */
const START_TIMEOUT_MS = 10_000
/** So many jobs are under way at a time; others wait. */
const MAX_BUSY = 16
/** So many processes may wait in the kernel where no signal ends them. Then nothing more is read. */
const MAX_STUCK = 32
/** A job that takes longer does not keep the next one waiting. */
const PATIENCE_MS = 250
/**
 * Reads files that may hang in the kernel: those of /proc and sysfs hang while it holds the lock of what they describe. Each job
 * has a process of its own while it lasts, so what hangs delays nothing else, and neither this program's threads nor its end.
 *
 * Invariants: a job that hung is broken off, and answered at once with what hung until it has been read after all, which is tried
 * now and then; the number of processes is bounded.
 */
export class FileReader {
  readonly #options: FileReaderOptions
  readonly #hanging = new Map<string, Hanging>()
  readonly #busy = new Set<Promise<unknown>>()
  readonly #stuck = new Set<ReadingProcess>()
  readonly #pool: ProcessPool

  constructor(options: FileReaderOptions) {
    const own = new ProcessPool(options.clock)
    this.#options = options
    this.#pool = options.pool ?? own
    options.signal.addEventListener('abort', () => own.end(), { once: true })
  }

  async read(job: ReadJob): Promise<Reading> {
    const hanging = this.#hanging.get(job.key)
    if (hanging === undefined) return this.#run(job)
    if (hanging.process.isGone && this.#options.clock.steadyNow() >= hanging.retryAt && !hanging.isRetried) {
      hanging.isRetried = true
      void this.#run(job)
    }
    return { kind: 'hangs', at: hanging.at }
  }

  /** Reads one after the other, but does not wait for one that takes long before it goes on. */
  async readAll(jobs: readonly ReadJob[]): Promise<readonly Reading[]> {
    const readings: Promise<Reading>[] = []
    for (const job of jobs) {
      const reading = this.read(job)
      readings.push(reading)
      const over = new AbortController()
      await Promise.race([reading, sleep(this.#options.clock, PATIENCE_MS, over.signal)])
      over.abort()
    }
    return Promise.all(readings)
  }

  async #run(job: ReadJob): Promise<Reading> {
    while (this.#busy.size >= MAX_BUSY) await Promise.race(this.#busy)
    const running = this.#readTwice(job)
    this.#busy.add(running)
    try {
      return await running
    } finally {
      this.#busy.delete(running)
    }
  }

  /** A process that somebody killed is no fault of what it read. */
  async #readTwice(job: ReadJob): Promise<Reading> {
    return (await this.#readOnce(job)) ?? (await this.#readOnce(job)) ?? refused('no process reads files')
  }

  /** `null`: its process has ended. */
  async #readOnce({ key, steps }: ReadJob): Promise<Reading | null> {
    const { clock, signal, timeoutMs, retryAfterMs } = this.#options
    if (signal.aborted) return refused('this program is ending')
    if (this.#stuck.size >= MAX_STUCK) return refused('the kernel does not answer too many reads')
    const process = this.#pool.take()
    const over = new AbortController()
    const waiting = AbortSignal.any([signal, over.signal])
    const late = async () => {
      await Promise.race([process.ready, sleep(clock, START_TIMEOUT_MS, waiting)])
      await sleep(clock, timeoutMs, waiting)
      return null
    }
    const results = await Promise.race([process.read(steps), late()])
    over.abort()
    if (results === null) {
      const at = steps[process.results.length]?.[0] ?? ''
      this.#giveUp(process)
      const retryAt = clock.steadyNow() + retryAfterMs
      if (!signal.aborted) this.#hanging.set(key, { at, process, retryAt, isRetried: false })
      return { kind: 'hangs', at }
    }
    if (results.length < steps.length) return null
    this.#hanging.delete(key)
    this.#pool.give(process)
    return { kind: 'done', results }
  }

  #giveUp(process: ReadingProcess): void {
    process.end()
    this.#stuck.add(process)
    void process.gone.then(() => this.#stuck.delete(process))
  }
}

function refused(why: string): Reading {
  return { kind: 'refused', why }
}
