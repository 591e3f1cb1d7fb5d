import { ResyncMotion } from '../history/resync-motion.ts'
import type { ResyncTrend } from '../history/resync-trend.ts'
import { SteadyShare } from '../history/steady-share.ts'
import { figureOf, firstKnown, larger } from '../judge/figure.ts'
import { MAX_PROGRESS_BEFORE_END, type Observation, progressBeforeEnd } from '../judge/judgement.ts'
import type { ReasonOutline } from './reason-outline.ts'
import type { Patience } from './shared-by-mirrors.ts'

/** So long a resync must run without falling behind until what the link could not carry is forgotten. Milliseconds. */
const SPELL_OVER_AFTER_MS = 5 * 60_000

/**
 * One resync of one mirror, from its first sign to its end. Written in place, and again for the mirror's next one.
 *
 * Invariant: while it is not `active` its figures mean nothing.
 */
export class ResyncEpisode {
  #active = false
  #totalBytes = Number.NaN
  readonly #progress = new SteadyShare()
  #wasRunning = false
  readonly #motion = new ResyncMotion()
  /** Since when the peer falls behind under load, again and again with a resync in between. */
  #behindSince = Number.NaN
  #behindAt = Number.NaN
  #lookedAt = Number.NaN
  /** The latest moment that was spoken of. */
  #now = Number.NaN
  #silenceMeansStall = false

  get active(): boolean {
    return this.#active
  }

  /** The largest amount seen: activity-log extents are added when a crashed primary returns, so the first may be too small. */
  get totalBytes(): number {
    return this.#totalBytes
  }

  /** The largest progress shown; what is on screen never jumps back. */
  get shownProgress(): number {
    return this.#progress.shown
  }

  /** Adds a look that finds the mirror resyncing. @param outline what its reasons say */
  see({ judgement, at, silenceMeansStall }: Observation, { phase, behind, running }: ReasonOutline): void {
    this.passTo(at)
    const outOfSyncBytes = figureOf(judgement.outOfSyncBytes)
    const saidTotal = figureOf(judgement.totalBytes)
    const saidProgress = figureOf(progressBeforeEnd(judgement.progress))
    const movedBytes = judgement.movedBytes ?? Number.NaN
    if (this.#active) {
      this.#goOn(outOfSyncBytes, saidTotal, saidProgress, running)
      this.#motion.see(outOfSyncBytes, movedBytes, saidProgress, phase, at)
    } else {
      this.#begin(outOfSyncBytes, saidTotal, saidProgress)
      this.#motion.begin(outOfSyncBytes, movedBytes, saidProgress, at)
    }
    this.#followSpell(behind, at)
    this.#wasRunning = running
    this.#lookedAt = at
    this.#silenceMeansStall = silenceMeansStall
  }

  end(): void {
    this.#active = false
  }

  /**
   * It is that moment now. By a clock that was set back what has lasted has lasted as long as before: a stall would otherwise end,
   * or begin hours late.
   */
  passTo(now: number): void {
    const back = this.#now - now
    if (back > 0) {
      this.#motion.shift(back)
      this.#behindSince -= back
      this.#behindAt -= back
      this.#lookedAt -= back
    }
    this.#now = now
  }

  /** What has been copied, as far as that follows from what is left. */
  doneBytes(outOfSyncBytes: number): number {
    return Math.max(0, this.#totalBytes - outOfSyncBytes)
  }

  /** How it gets on while it is active. @param outline what the reasons of the last look say */
  trend({ phase, running, behind }: ReasonOutline, patience: Patience): ResyncTrend {
    // Without a look the figures may have changed, where the source does not tell them by itself.
    const lastSign = this.#silenceMeansStall ? this.#now : this.#lookedAt
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

  /** Something got better within this time, and nothing worse since. */
  gained(now: number, withinMs: number): boolean {
    return this.#motion.gained(now, withinMs)
  }

  #begin(out: number, saidTotal: number, saidProgress: number): void {
    this.#active = true
    this.#totalBytes = firstKnown(saidTotal, out)
    this.#progress.begin(saidProgress)
    this.#behindSince = Number.NaN
  }

  #goOn(out: number, saidTotal: number, saidProgress: number, running: boolean): void {
    this.#totalBytes = firstKnown(saidTotal, larger(this.#totalBytes, out))
    // Bits set for the handshake are counted down only once data moves: before that a smaller figure is no progress.
    const share = firstKnown(saidProgress, running ? this.#shareDone(out) : Number.NaN)
    // The kernel may begin to count anew, as after each time that the peer fell behind.
    if (running && !this.#wasRunning) this.#progress.rebase(share)
    else this.#progress.follow(share)
  }

  #followSpell(behind: boolean, at: number): void {
    if (behind) {
      if (Number.isNaN(this.#behindSince)) this.#behindSince = at
      this.#behindAt = at
    } else if (at - this.#behindAt >= SPELL_OVER_AFTER_MS) this.#behindSince = Number.NaN
  }

  /** Of a resync with nothing to copy no share is known. */
  #shareDone(out: number): number {
    return Math.min(this.doneBytes(out) / this.#totalBytes, MAX_PROGRESS_BEFORE_END)
  }
}
