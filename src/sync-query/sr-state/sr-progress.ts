import type { MirrorShare } from '../history/mirror-share.ts'
import { SteadyShare } from '../history/resync/steady-share.ts'
import { MAX_PROGRESS_BEFORE_END } from '../judge/judgement.ts'

/**
 * The progress of one SR's resyncs: the mean of the kernel's own shares, weighted by what each has to copy. Sums of bytes are not enough:
 * under writes DRBD 9.3 has more to copy while its share rises.
 *
 * Kept as sums, so a change of one mirror costs the same with 10 mirrors or 10 000.
 *
 * The displayed progress never falls, and rises with every rising share, also after the mirrors or their weights have changed (see
 * SteadyShare).
 *
 * Invariant: `#weight` and `#done` equal the sums over the resyncing mirrors with known shares.
 */
export class SrProgress {
  #weight = 0
  /** Sum of weight times share. */
  #done = 0
  #known = 0
  /** Resyncs without known figures: each counts as just begun, with the mean amount to copy. */
  #unknown = 0
  /** Resyncs that have finished while others still run. */
  #finished = 0
  #finishedWeight = 0
  readonly #steady = new SteadyShare()
  /** The progress was displayed: before that it may still fall. */
  #wasShown = false

  /** The progress to display, 0..1; `null`: not known. */
  show(): number | null {
    this.#wasShown = true
    const { shown } = this.#steady
    return Number.isNaN(shown) ? null : Math.max(0, Math.min(shown, MAX_PROGRESS_BEFORE_END))
  }

  change(before: MirrorShare | null, after: MirrorShare | null): void {
    const from = before?.state === 'resyncing' ? before : null
    const to = after?.state === 'resyncing' ? after : null
    if (from === null && to === null) return
    if (from !== null && to !== null && isKnown(from) && isKnown(to)) this.#goOn(from, to)
    else if (from !== null && isKnown(from) && after?.state === 'synced') this.#finish(from)
    else {
      if (from !== null) this.#count(from, -1)
      if (to !== null) this.#count(to, 1)
      this.#rebase()
    }
  }

  /** No mirror resyncs any more. */
  reset(): void {
    this.#weight = 0
    this.#done = 0
    this.#known = 0
    this.#unknown = 0
    this.#finished = 0
    this.#finishedWeight = 0
    this.#steady.begin(Number.NaN)
    this.#wasShown = false
  }

  #goOn(from: MirrorShare, to: MirrorShare): void {
    this.#done += from.weightBytes * (to.progress - from.progress)
    this.#steady.follow(this.#mean())
    if (to.weightBytes === from.weightBytes && to.progress >= from.progress) return
    const more = to.weightBytes - from.weightBytes
    this.#weight += more
    this.#done += more * to.progress
    this.#rebase()
  }

  #finish(from: MirrorShare): void {
    this.#count(from, -1)
    this.#finished += 1
    this.#finishedWeight += from.weightBytes
    this.#steady.follow(this.#mean())
  }

  #count(share: MirrorShare, sign: 1 | -1): void {
    if (isKnown(share)) {
      this.#known += sign
      this.#weight += sign * share.weightBytes
      this.#done += sign * share.weightBytes * share.progress
    } else this.#unknown += sign
  }

  #mean(): number {
    const counted = this.#known + this.#finished
    const mean = (this.#done + this.#finishedWeight) / (this.#weight + this.#finishedWeight)
    return (mean * counted) / (counted + this.#unknown)
  }

  /** The mean has a new basis. */
  #rebase(): void {
    if (this.#wasShown) this.#steady.rebase(this.#mean())
    else this.#steady.begin(this.#mean())
  }
}

function isKnown({ progress, weightBytes }: MirrorShare): boolean {
  return weightBytes > 0 && progress >= 0
}
