import { type Clock, sleep } from '../time/clock.ts'
import { ProcessPool } from './process-pool.ts'
import type { ReadingProcess, ReadResult, ReadStep } from './reading-process.ts'

export interface FileReaderOptions {
  /** Timeout of a job, from the start of its process. */
  readonly timeoutMs: number
  /** Time until a job that hung is tried again. */
  readonly retryAfterMs: number
  readonly clock: Clock
  /** Ends all running jobs. */
  readonly signal: AbortSignal
  /** Shares idle processes with other readers. Absent: the reader has a pool of its own. */
  readonly pool?: ProcessPool | undefined
}

export type Reading =
  | { readonly kind: 'done'; readonly results: readonly ReadResult[] }
  /** A read hangs in the kernel: its path. */
  | { readonly kind: 'hangs'; readonly at: string }
  /** The job was not started or was ended for a reason outside of it: why nothing is read. */
  | { readonly kind: 'refused'; readonly why: string }

export interface ReadJob {
  /** Identifies the object that is read. */
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

/** Timeout for the start of a process on a busy host. */
const START_TIMEOUT_MS = 10_000
/** Limit of concurrent jobs; others wait. */
const MAX_BUSY = 16
/** Limit of processes that hang in the kernel, where no signal ends them. At the limit nothing more is read. */
const MAX_STUCK = 32
/** After this time `readAll` starts the next job without waiting for the present one. */
const PATIENCE_MS = 250

/**
 * Reads files that may hang in the kernel: reads in /proc and sysfs hang while the kernel holds the lock of the object. Each job runs in a
 * process of its own, so a read that hangs delays neither other reads, nor this program's threads, nor its end.
 *
 * Invariants: a job that hung is given up, and further reads of its key return at once until a retry in the background has succeeded; the
 * number of processes is bounded.
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

  /** Runs jobs one after the other, but does not wait long for one before it starts the next. */
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

  /** Runs a job again if its process was killed, which is not caused by the file. */
  async #readTwice(job: ReadJob): Promise<Reading> {
    return (await this.#readOnce(job)) ?? (await this.#readOnce(job)) ?? refused('no process reads files')
  }

  /** `null`: the process has ended. */
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
