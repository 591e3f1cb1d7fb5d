import { firstKnown } from '../judge/figure.ts'

/**
 * A share that is shown on a screen, where it never falls. Written in place.
 *
 * What it is made from may fall, because it is made from something else than before: a resync begins anew in the kernel, or more
 * resyncs run than before. From then on what is left of the new share stands for what is left on screen, so that what is shown
 * goes on with it instead of standing still until it has caught up.
 */
export class SteadyShare {
  #shown = Number.NaN
  #shownAtBase = Number.NaN
  #shareAtBase = Number.NaN

  /** `NaN` where not known. */
  get shown(): number {
    return this.#shown
  }

  /** Begins with a share; what was shown before is forgotten. */
  begin(share: number): void {
    this.#shown = share
    this.#shownAtBase = share
    this.#shareAtBase = share
  }

  /** Follows the share as long as it is made from the same. One that falls leaves what is shown as it is. */
  follow(share: number): void {
    if (Number.isNaN(share)) return
    if (Number.isNaN(this.#shareAtBase)) {
      this.rebase(share)
      return
    }
    const isSame = this.#shownAtBase === this.#shareAtBase
    // What is shown and is not the share is ahead of it: such a share was not at its end.
    const rest = (share - this.#shareAtBase) / (1 - this.#shareAtBase)
    const next = Math.min(isSame ? share : this.#shownAtBase + (1 - this.#shownAtBase) * rest, 1)
    if (!(next < this.#shown)) this.#shown = next
  }

  /** The share is made from something else from now on: what is shown is that, or stays ahead of it until both are at the end. */
  rebase(share: number): void {
    if (!(share < this.#shown)) this.#shown = firstKnown(share, this.#shown)
    this.#shownAtBase = this.#shown
    this.#shareAtBase = share
  }
}
