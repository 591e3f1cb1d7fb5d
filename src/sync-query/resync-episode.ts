import { figureOf, firstKnown, larger, smaller } from './figure.ts'
import { MAX_PROGRESS_BEFORE_END, type Observation, progressBeforeEnd } from './judgement.ts'

/**
 * One resync of one mirror, from its first sign to its end. Written in place, and again for the mirror's next one.
 *
 * Invariant: while it is not `active` its figures mean nothing.
 */
export class ResyncEpisode {
  #active = false
  #totalBytes = Number.NaN
  #leastOutOfSyncBytes = Number.NaN
  #shownProgress = Number.NaN
  #fellAt = Number.NaN
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
    return this.#shownProgress
  }

  /** Adds a look that finds the mirror resyncing. */
  see({ judgement, at, silenceMeansStall }: Observation): void {
    this.passTo(at)
    const out = figureOf(judgement.outOfSyncBytes)
    const saidTotal = figureOf(judgement.totalBytes)
    const saidProgress = figureOf(progressBeforeEnd(judgement.progress))
    if (this.#active) this.#goOn(out, saidTotal, saidProgress, at)
    else this.#begin(out, saidTotal, saidProgress, at)
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
      this.#fellAt -= back
      this.#lookedAt -= back
    }
    this.#now = now
  }

  /** What has been copied, as far as that follows from what is left. */
  doneBytes(outOfSyncBytes: number): number {
    return Math.max(0, this.#totalBytes - outOfSyncBytes)
  }

  /** Nothing got better for this long, by the last sign that there could be of it. */
  stoodStill(now: number, forMs: number): boolean {
    const lastSign = this.#silenceMeansStall ? now : this.#lookedAt
    return lastSign - this.#fellAt >= forMs
  }

  /** Something got better within this time. */
  gotBetter(now: number, withinMs: number): boolean {
    return now - this.#fellAt <= withinMs
  }

  #begin(out: number, saidTotal: number, saidProgress: number, at: number): void {
    this.#active = true
    this.#totalBytes = firstKnown(saidTotal, out)
    this.#leastOutOfSyncBytes = out
    this.#shownProgress = saidProgress
    this.#fellAt = at
  }

  #goOn(out: number, saidTotal: number, saidProgress: number, at: number): void {
    // Bits set for the handshake are counted down only once data moves: before that a smaller figure is no progress.
    const fell = out < this.#leastOutOfSyncBytes
    this.#totalBytes = firstKnown(saidTotal, larger(this.#totalBytes, out))
    const progress = firstKnown(saidProgress, this.#shareDone(out))
    const rose = progress > this.#shownProgress
    this.#leastOutOfSyncBytes = smaller(this.#leastOutOfSyncBytes, out)
    this.#shownProgress = larger(this.#shownProgress, progress)
    if (fell || rose) this.#fellAt = at
  }

  /** Of a resync with nothing to copy no share is known. */
  #shareDone(out: number): number {
    return Math.min(this.doneBytes(out) / this.#totalBytes, MAX_PROGRESS_BEFORE_END)
  }
}
