import { join } from 'node:path'
import { FileReader } from '../../platform/file-reader/file-reader.ts'
import type { ProcessPool } from '../../platform/file-reader/process-pool.ts'
import type { Backoff } from '../../platform/time/backoff.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import type { MdReading } from '../parse/md-reading.ts'
import { Bell } from './bell.ts'
import { MdadmMonitor } from './mdadm-monitor.ts'
import { type MdGlance, MdReader } from './read.ts'
import { type MdUpdate, ToldArrays } from './told-arrays.ts'

export type { MdUpdate } from './told-arrays.ts'

export interface MdSourceOptions {
  /** The directory that stands for `/`. */
  readonly root: string
  readonly clock: Clock
  /** Ends the source, and its child with it, even while a read hangs. */
  readonly signal: AbortSignal
  /** The command and its first arguments; `--monitor …` is added. Absent: changes are found by reading alone. */
  readonly mdadm?: readonly [command: string, ...args: string[]]
  /** The processes that read files; absent: one of its own. */
  readonly pool?: ProcessPool
  readonly pace?: Partial<MdSourcePace>
}

/** Milliseconds. */
interface MdSourcePace extends Backoff {
  /** How often everything is read while something moves, is degraded or is doubted. */
  readonly busyEveryMs: number
  /** How often to look at /proc/mdstat otherwise. */
  readonly idleEveryMs: number
  /** How often to look whether there is md at all. */
  readonly absentEveryMs: number
  /**
   * How often everything is read though /proc/mdstat says nothing new: it shows neither a UUID nor `frozen` nor bad blocks. With
   * `readTimeoutMs` well below the 15 s after which a state that was not confirmed is unknown.
   */
  readonly wholeEveryMs: number
  /** How long the files of one array may take to be read, and after how long one that hung is tried again. */
  readonly readTimeoutMs: number
  readonly readRetryMs: number
  /** The least time between two readings, whatever hints there are. */
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
 * Follows the md arrays of this host by reading what the kernel says, for as long as `signal` lets it: /proc and sysfs give
 * no events that Node could wait for. The first update comes with the first reading, further ones when there is news.
 *
 * What /proc/mdstat does not show to have moved is read only now and then, so an idle host costs next to nothing.
 * `mdadm --monitor` shortens the wait and is never believed: only a reading decides what has ended, and how.
 */
export async function* followMd(options: MdSourceOptions): AsyncGenerator<MdUpdate, void> {
  const { root, clock, mdadm } = options
  const pace = { ...DEFAULT_MD_PACE, ...options.pace }
  // Its own end, so that the child is gone as well when the consumer has had enough.
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
  const told = new ToldArrays()
  const bell = new Bell(clock)
  const monitor =
    mdadm === undefined ? null : new MdadmMonitor({ ...pace, mdadm, clock, signal, onHint: () => bell.ring() })
  /** The glance that the last whole reading began with. */
  let basis: MdGlance | null = null
  let untilWholeMs = 0
  let wasHinted = false
  try {
    for (;;) {
      const isHinted = bell.wasRung()
      monitor?.listen()
      let glance = await reader.glance()
      // A hint may come before what it hints at is to be seen everywhere, so one more reading follows.
      const mustRead = isHinted || wasHinted || told.isUnsettled || untilWholeMs <= 0
      if (mustRead || basis === null || !isSame(glance, basis)) {
        let reading = await reader.read(glance)
        if (told.isTorn(reading)) {
          await sleep(clock, pace.restMs, signal)
          glance = await reader.glance()
          reading = await reader.read(glance)
        }
        // What was given up on the way says nothing.
        if (signal.aborted) return
        const update = told.take(withProblems(reading, monitor), clock.now())
        if (update !== null) yield update
        basis = glance
        untilWholeMs = pace.wholeEveryMs
      }
      monitor?.want(told.size > 0)
      const everyMs =
        isHinted || told.isUnsettled ? pace.busyEveryMs : isAbsent(glance) ? pace.absentEveryMs : pace.idleEveryMs
      await sleep(clock, Math.min(pace.restMs, everyMs), signal)
      await bell.wait(Math.max(everyMs - pace.restMs, 0), signal)
      if (signal.aborted) return
      wasHinted = isHinted
      untilWholeMs -= everyMs
    }
  } finally {
    stop.abort()
    await monitor?.close()
  }
}

/** The monitor's problems are told beside those of a reading, and say nothing about it. */
function withProblems(reading: MdReading, monitor: MdadmMonitor | null): MdReading {
  return monitor === null ? reading : { ...reading, problems: [...reading.problems, ...monitor.takeProblems()] }
}

function isSame(glance: MdGlance, before: MdGlance): boolean {
  const { mdstat, names, problems } = glance
  return problems.length === 0 && mdstat === before.mdstat && names?.join() === before.names?.join()
}

/** No md module, or no arrays yet and nothing that speaks of them. */
function isAbsent({ mdstat, names }: MdGlance): boolean {
  return mdstat === undefined && (names === undefined || names.length === 0)
}
