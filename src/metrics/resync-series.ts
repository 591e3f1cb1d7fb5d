import { Counter, Histogram, type Registry } from 'prom-client'
import { isBlocking, type Reason } from '../sync-query/reason/reason.ts'
import type { Transition } from '../sync-query/sr-state/transition.ts'
import { labelValue } from './label-value.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** From a link that flapped to a disk that was replaced. */
const DURATION_BUCKETS_SECONDS = [1, 10, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY, 3 * DAY]

/** A resync of an SR that has not ended. */
interface Episode {
  /** Milliseconds since 1970; `null`: it began while nobody looked. */
  readonly startedAt: number | null
  /** By the last that was heard of it; while the source is silent it goes on in the kernel. */
  isRunning: boolean
}

/**
 * What became of each SR's resyncs. As in the messages to the toolstack, one goes from its first copied block to the SR being
 * in sync again, whatever comes in between.
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
    this.#started = count('started', 'Resyncs of the SR that were seen to run.')
    this.#finished = count('finished', 'Resyncs after which the SR was in sync again.')
    this.#aborted = count(
      'aborted',
      'Times that the SR was degraded when its resync stopped. One that is taken up and ends well counts as finished, too.',
    )
    this.#stalls = count('stalled', 'Times that the resync of the SR began to stand still.')
    this.#durations = new Histogram({
      name: 'resync_monitor_resync_duration_seconds',
      help: 'Duration of the finished resyncs of the SR whose beginning was seen, interruptions included.',
      labelNames: ['sr'],
      buckets: DURATION_BUCKETS_SECONDS,
      registers,
    })
  }

  /** Zero is said from the beginning: the first increase of a counter that was not there is not seen (`increase()`). */
  begin(sr: string): void {
    const label = { sr: labelValue(sr) }
    for (const counter of [this.#started, this.#finished, this.#aborted, this.#stalls]) counter.inc(label, 0)
    this.#durations.zero(label)
  }

  /** @param reasons those that the SR gives after it */
  note(sr: string, { kind, from, to, at }: Transition, reasons: readonly Reason[]): void {
    const label = { sr: labelValue(sr) }
    if (kind === 'stalled') this.#stalls.inc(label)
    // Edges within a state.
    if (kind === 'stalled' || kind === 'paused') return
    const open = this.#open.get(sr)
    if (to === 'resyncing' && open === undefined) {
      this.#open.set(sr, { startedAt: from === 'unknown' ? null : at, isRunning: true })
      this.#started.inc(label)
    } else if (to === 'resyncing' && open !== undefined) open.isRunning = true
    if (to === 'degraded' && open?.isRunning === true && !goesOnElsewhere(reasons)) {
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
    // In sync because mirrors were taken out of the SR, or because nothing had to be copied.
    if (!isFinished) return
    this.#finished.inc(label)
    // A clock that was set back makes no duration.
    if (startedAt !== null && at >= startedAt) this.#durations.observe(label, (at - startedAt) / 1000)
  }
}

/**
 * With three nodes a mirror's copy may be over here and go on between the two others: this one sees a peer's disk that is not up to
 * date for a while, in a resync that goes well.
 */
function goesOnElsewhere(reasons: readonly Reason[]): boolean {
  const blocking = reasons.filter(({ code }) => isBlocking(code))
  return (
    blocking.length > 0 &&
    blocking.every(({ code, clearedBy }) => code === 'peer-disk-not-up-to-date' && clearedBy === 'time')
  )
}
