import {
  figureOf,
  firstKnown,
  larger,
  MAX_PROGRESS_BEFORE_END,
  type Observation,
  progressBeforeEnd,
} from '../../judge/judgement.ts'
import type { ReasonOutline } from '../reason-outline.ts'
import type { Patience } from '../shared-by-mirrors.ts'
import { ResyncMotion } from './resync-motion.ts'
import type { ResyncTrend } from './resync-trend.ts'
import { SteadyShare } from './steady-share.ts'

/** A spell of congestion ends after a resync has run for this long without falling behind. Milliseconds. */
const SPELL_OVER_AFTER_MS = 5 * 60_000

/**
 * One resync of one mirror, from its first sign to its end. Written in place, and reused for the next one.
 *
 * Invariant: while it is not `active` its figures have no meaning.
 */
export class MirrorResync {
  #active = false
  #totalBytes = Number.NaN
  readonly #progress = new SteadyShare()
  #wasRunning = false
  readonly #motion = new ResyncMotion()
  /** Start of the spell in which the peer falls behind under load, with resyncs in between. */
  #behindSince = Number.NaN
  #behindAt = Number.NaN
  #readAt = Number.NaN
  /** The latest moment. */
  #now = Number.NaN
  #silenceMeansStall = false

  get active(): boolean {
    return this.#active
  }

  /** The largest amount: activity-log extents are added when a crashed primary returns, so the first one may be too small. */
  get totalBytes(): number {
    return this.#totalBytes
  }

  /** The largest progress; the display never goes back. */
  get shownProgress(): number {
    return this.#progress.shown
  }

  /** Adds a reading of a resyncing mirror. @param outline of its reasons */
  see({ judgement, at, silenceMeansStall }: Observation, { phase, behind, running }: ReasonOutline): void {
    this.passTo(at)
    const outOfSyncBytes = figureOf(judgement.outOfSyncBytes)
    const total = figureOf(judgement.totalBytes)
    const progress = figureOf(progressBeforeEnd(judgement.progress))
    const movedBytes = judgement.movedBytes ?? Number.NaN
    if (this.#active) {
      this.#goOn(outOfSyncBytes, total, progress, running)
      this.#motion.see(outOfSyncBytes, movedBytes, progress, phase, at)
    } else {
      this.#begin(outOfSyncBytes, total, progress)
      this.#motion.begin(outOfSyncBytes, movedBytes, progress, at)
    }
    this.#followSpell(behind, at)
    this.#wasRunning = running
    this.#readAt = at
    this.#silenceMeansStall = silenceMeansStall
  }

  end(): void {
    this.#active = false
  }

  /**
   * Sets the present moment. If the clock was set back, durations stay as they are: otherwise a stall would end, or begin hours late.
   */
  passTo(now: number): void {
    const back = this.#now - now
    if (back > 0) {
      this.#motion.shift(back)
      this.#behindSince -= back
      this.#behindAt -= back
      this.#readAt -= back
    }
    this.#now = now
  }

  /** What has been copied, by what is left. */
  doneBytes(outOfSyncBytes: number): number {
    return Math.max(0, this.#totalBytes - outOfSyncBytes)
  }

  /** The trend while it is active. @param outline of the last reading's reasons */
  trend({ phase, running, behind }: ReasonOutline, patience: Patience): ResyncTrend {
    // A source that does not report progress by itself proves a stall only with a new reading.
    const lastSign = this.#silenceMeansStall ? this.#now : this.#readAt
    if (behind) return this.#now - this.#behindSince >= patience.behindAfterMs ? 'behind-for-long' : 'moves'
    if (phase === 'held') return 'moves'
    const isHandshake = phase === 'moving' && !running
    if (this.#motion.stoodStill(lastSign, isHandshake ? patience.startingAfterMs : patience.stalledAfterMs)) {
      return 'stalled'
    }
    if (phase !== 'moving') return 'moves'
    if (this.#motion.isInVain(lastSign, patience.inVainAfterMs)) return 'in-vain'
    return this.#motion.isOutrun ? 'outrun' : 'moves'
  }

  /** It has gained within this time, and not lost since. */
  gained(now: number, withinMs: number): boolean {
    return this.#motion.gained(now, withinMs)
  }

  #begin(out: number, total: number, progress: number): void {
    this.#active = true
    this.#totalBytes = firstKnown(total, out)
    this.#progress.begin(progress)
    this.#behindSince = Number.NaN
  }

  #goOn(out: number, total: number, progress: number, running: boolean): void {
    this.#totalBytes = firstKnown(total, larger(this.#totalBytes, out))
    // Bits that the handshake sets are counted down only when data moves: before that a smaller figure is not progress.
    const share = firstKnown(progress, running ? this.#shareDone(out) : Number.NaN)
    // The kernel may start counting again, for example each time that the peer fell behind.
    if (running && !this.#wasRunning) this.#progress.rebase(share)
    else this.#progress.follow(share)
  }

  #followSpell(behind: boolean, at: number): void {
    if (behind) {
      if (Number.isNaN(this.#behindSince)) this.#behindSince = at
      this.#behindAt = at
    } else if (at - this.#behindAt >= SPELL_OVER_AFTER_MS) this.#behindSince = Number.NaN
  }

  /** `NaN` for a resync with nothing to copy. */
  #shareDone(out: number): number {
    return Math.min(this.doneBytes(out) / this.#totalBytes, MAX_PROGRESS_BEFORE_END)
  }
}
