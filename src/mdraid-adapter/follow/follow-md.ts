import { join } from 'node:path'
import { FileReader } from '../../platform/file-reader/file-reader.ts'
import type { ProcessPool } from '../../platform/file-reader/process-pool.ts'
import type { Backoff } from '../../platform/time/backoff.ts'
import { type Clock, sleep, type Timers } from '../../platform/time/clock.ts'
import type { MdReading } from '../parse/md-reading.ts'
import { type MdListing, MdReader } from './md-reader.ts'
import { MdadmMonitor } from './mdadm-monitor.ts'
import { type MdUpdate, PublishedArrays } from './published-arrays.ts'

export type { MdUpdate } from './published-arrays.ts'

export interface MdSourceOptions {
  /** The directory that is used as `/`. */
  readonly root: string
  readonly clock: Clock
  /** Ends the source and its child process, even while a read hangs. */
  readonly signal: AbortSignal
  /** The command and its first arguments; `--monitor …` is appended. Absent: the source only polls. */
  readonly mdadm?: readonly [command: string, ...args: string[]]
  /** The processes that read files. Absent: the source starts its own. */
  readonly pool?: ProcessPool
  readonly pace?: Partial<MdSourcePace>
}

/** Milliseconds. */
interface MdSourcePace extends Backoff {
  /** Interval of complete reads while an array resyncs, is degraded or is in doubt. */
  readonly busyEveryMs: number
  /** Interval of reads of /proc/mdstat otherwise. */
  readonly idleEveryMs: number
  /** Interval of reads while the host has no md arrays. */
  readonly absentEveryMs: number
  /**
   * Interval of complete reads while /proc/mdstat does not change: it shows neither the UUID nor `frozen` nor bad blocks. Together with
   * `readTimeoutMs` it must be well below the 15 s after which an unconfirmed state is unknown.
   */
  readonly wholeEveryMs: number
  /** Timeout for the files of one array, and the time until a read that hung is tried again. */
  readonly readTimeoutMs: number
  readonly readRetryMs: number
  /** Minimum time between two reads, whatever hints arrive. */
  readonly restMs: number
}

export const DEFAULT_MD_PACE: MdSourcePace = {
  busyEveryMs: 1_000,
  idleEveryMs: 4_000,
  absentEveryMs: 10_000,
  wholeEveryMs: 8_000,
  readTimeoutMs: 3_500,
  readRetryMs: 3_000,
  restMs: 200,
  firstRetryMs: 1_000,
  lastRetryMs: 60_000,
}

/**
 * Follows the md arrays of this host until `signal` aborts. It polls, because /proc and sysfs have no events that Node can wait for.
 * The first update comes with the first reading, later ones when something has changed.
 *
 * While /proc/mdstat does not change, sysfs is read only every `wholeEveryMs`, so an idle host costs little CPU. `mdadm --monitor`
 * shortens the wait; its output is not evidence, only a reading decides what ended and how.
 *
 *     for await (const { changed, removed, doubt } of followMd({ root: '/', clock: machineClock, signal })) …
 */
export async function* followMd(options: MdSourceOptions): AsyncGenerator<MdUpdate, void> {
  const { root, clock, mdadm } = options
  const pace = { ...DEFAULT_MD_PACE, ...options.pace }
  // A signal of its own also ends the child when the consumer stops iterating.
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const paths = { sysBlock: join(root, 'sys/block'), mdstat: join(root, 'proc/mdstat') }
  const reader = new MdReader(
    paths,
    new FileReader({
      clock,
      timeoutMs: pace.readTimeoutMs,
      retryAfterMs: pace.readRetryMs,
      signal,
      pool: options.pool,
    }),
  )
  const published = new PublishedArrays()
  const hint = new Hint(clock)
  const monitor =
    mdadm === undefined ? null : new MdadmMonitor({ ...pace, mdadm, clock, signal, onHint: () => hint.raise() })
  /** The listing that the last complete reading began with. */
  let lastListing: MdListing | null = null
  let untilCompleteMs = 0
  let wasHinted = false
  try {
    for (;;) {
      const isHinted = hint.take()
      monitor?.resume()
      let listing = await reader.list()
      // A hint may come before the change is visible in every file, so one more reading follows.
      const mustRead = isHinted || wasHinted || published.isUnsettled || untilCompleteMs <= 0
      if (mustRead || lastListing === null || !isSame(listing, lastListing)) {
        let reading = await reader.read(listing)
        if (published.isTorn(reading)) {
          await sleep(clock, pace.restMs, signal)
          listing = await reader.list()
          reading = await reader.read(listing)
        }
        // The reading is incomplete if it was aborted.
        if (signal.aborted) return
        const update = published.publish(withProblems(reading, monitor), clock.now())
        if (update !== null) yield update
        lastListing = listing
        untilCompleteMs = pace.wholeEveryMs
      }
      monitor?.setWanted(published.size > 0)
      const everyMs =
        isHinted || published.isUnsettled ? pace.busyEveryMs : isAbsent(listing) ? pace.absentEveryMs : pace.idleEveryMs
      await sleep(clock, Math.min(pace.restMs, everyMs), signal)
      await hint.wait(Math.max(everyMs - pace.restMs, 0), signal)
      if (signal.aborted) return
      wasHinted = isHinted
      untilCompleteMs -= everyMs
    }
  } finally {
    stop.abort()
    await monitor?.close()
  }
}

/** Adds the monitor's problems to those of a reading. They do not affect `understood`. */
function withProblems(reading: MdReading, monitor: MdadmMonitor | null): MdReading {
  return monitor === null ? reading : { ...reading, problems: [...reading.problems, ...monitor.takeProblems()] }
}

function isSame({ mdstat, names, problems }: MdListing, before: MdListing): boolean {
  return problems.length === 0 && mdstat === before.mdstat && names?.join() === before.names?.join()
}

/** The md module is not loaded, and sysfs shows no arrays. */
function isAbsent({ mdstat, names }: MdListing): boolean {
  return mdstat === undefined && (names === undefined || names.length === 0)
}

/** A flag that several events may raise and one reader waits for. Events before the reader takes it count once. */
class Hint {
  readonly #timers: Timers
  #isRaised = false
  #wake: (() => void) | null = null

  constructor(timers: Timers) {
    this.#timers = timers
  }

  raise(): void {
    this.#isRaised = true
    this.#wake?.()
  }

  /** Whether the flag was raised since the last call. */
  take(): boolean {
    const isRaised = this.#isRaised
    this.#isRaised = false
    return isRaised
  }

  /** Waits until the flag is raised, `ms` have passed, or `signal` aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#isRaised || signal.aborted) return Promise.resolve()
    return new Promise(resolve => {
      const wake = () => {
        cancel()
        signal.removeEventListener('abort', wake)
        this.#wake = null
        resolve()
      }
      const cancel = this.#timers.after(ms, wake)
      signal.addEventListener('abort', wake, { once: true })
      this.#wake = wake
    })
  }
}
