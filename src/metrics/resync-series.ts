import { Counter, Histogram, type Registry } from 'prom-client'
import { isBlocking, type Reason } from '../sync-query/reason/reason.ts'
import type { Transition } from '../sync-query/transition.ts'
import { labelValue } from './series-value.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** From a short link failure to a replaced disk. */
const DURATION_BUCKETS_SECONDS = [1, 10, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY, 3 * DAY]

/** A resync of an SR that has not ended. */
interface Episode {
  /** Unix time in milliseconds; `null`: the start was not observed. */
  readonly startedAt: number | null
  /** The last known state. While the source is silent the kernel may continue. */
  isRunning: boolean
}

/**
 * Counts the resyncs of each SR. As in the messages to the toolstack, a resync lasts from the first copied block until the SR is in
 * sync again, including interruptions.
 */
export class ResyncSeries {
  /** By SR. */
  readonly #open = new Map<string, Episode>()
  readonly #started: Counter<'sr'>
  readonly #finished: Counter<'sr'>
  readonly #aborted: Counter<'sr'>
  readonly #stalls: Counter<'sr'>
  readonly #durations: Histogram<'sr'>

  constructor(registry: Registry) {
    const registers = [registry]
    const count = (name: string, help: string) =>
      new Counter({ name: `resync_monitor_resyncs_${name}_total`, help, labelNames: ['sr'], registers })
    this.#started = count('started', 'Resyncs of the SR that were observed to run.')
    this.#finished = count('finished', 'Resyncs after which the SR was in sync again.')
    this.#aborted = count(
      'aborted',
      'Times that the SR was degraded when its resync stopped. A resync that continues and succeeds later counts as finished, too.',
    )
    this.#stalls = count('stalled', 'Times that the resync of the SR stalled.')
    this.#durations = new Histogram({
      name: 'resync_monitor_resync_duration_seconds',
      help: 'Duration of the finished resyncs whose start was observed, including interruptions.',
      labelNames: ['sr'],
      buckets: DURATION_BUCKETS_SECONDS,
      registers,
    })
  }

  /** Creates the counters with 0: `increase()` does not see the first increase of a new series. */
  begin(sr: string): void {
    const label = { sr: labelValue(sr) }
    for (const counter of [this.#started, this.#finished, this.#aborted, this.#stalls]) counter.inc(label, 0)
    this.#durations.zero(label)
  }

  /** @param reasons the reasons of the SR after the transition */
  note(sr: string, { kind, from, to, at }: Transition, reasons: readonly Reason[]): void {
    const label = { sr: labelValue(sr) }
    if (kind === 'stalled') this.#stalls.inc(label)
    // These transitions do not change the state.
    if (kind === 'stalled' || kind === 'paused') return
    const open = this.#open.get(sr)
    if (to === 'resyncing' && open === undefined) {
      this.#open.set(sr, { startedAt: from === 'unknown' ? null : at, isRunning: true })
      this.#started.inc(label)
    } else if (to === 'resyncing' && open !== undefined) open.isRunning = true
    if (to === 'degraded' && open?.isRunning === true && !continuesElsewhere(reasons)) {
      open.isRunning = false
      this.#aborted.inc(label)
    }
    if (to === 'synced') this.#close(sr, kind === 'resync-finished', at)
  }

  forget(sr: string): void {
    const label = { sr: labelValue(sr) }
    this.#open.delete(sr)
    for (const counter of [this.#started, this.#finished, this.#aborted, this.#stalls]) counter.remove(label)
    this.#durations.remove(label)
  }

  #close(sr: string, isFinished: boolean, at: number): void {
    const label = { sr: labelValue(sr) }
    const startedAt = this.#open.get(sr)?.startedAt ?? null
    this.#open.delete(sr)
    // In sync without a finished resync: mirrors were removed from the SR, or nothing had to be copied.
    if (!isFinished) return
    this.#finished.inc(label)
    // After the clock was set back the duration is unknown.
    if (startedAt !== null && at >= startedAt) this.#durations.observe(label, (at - startedAt) / 1000)
  }
}

/**
 * With three nodes a resync may be finished on this host and continue between the two others. This host then sees a peer's disk that is
 * not up to date for a while, although the resync makes progress.
 */
function continuesElsewhere(reasons: readonly Reason[]): boolean {
  const blocking = reasons.filter(({ code }) => isBlocking(code))
  return (
    blocking.length > 0 &&
    blocking.every(({ code, clearedBy }) => code === 'peer-disk-not-up-to-date' && clearedBy === 'time')
  )
}
