import { firstKnown } from '../../judge/judgement.ts'

/**
 * A displayed share that never falls. Written in place.
 *
 * The share behind it may fall when its basis changes: the kernel restarts a resync, or more resyncs run. From then on the rest of the new
 * share maps to the rest on display, so that the display continues to rise instead of waiting until the share has caught up.
 */
export class SteadyShare {
  #shown = Number.NaN
  #shownAtBase = Number.NaN
  #shareAtBase = Number.NaN

  /** `NaN`: not known. */
  get shown(): number {
    return this.#shown
  }

  /** Starts again with a share. */
  begin(share: number): void {
    this.#shown = share
    this.#shownAtBase = share
    this.#shareAtBase = share
  }

  /** Follows a share on the same basis. A falling share does not change the display. */
  follow(share: number): void {
    if (Number.isNaN(share)) return
    if (Number.isNaN(this.#shareAtBase)) {
      this.rebase(share)
      return
    }
    const isSame = this.#shownAtBase === this.#shareAtBase
    // A display that differs from the share is ahead of it, so the share was not complete.
    const rest = (share - this.#shareAtBase) / (1 - this.#shareAtBase)
    const next = Math.min(isSame ? share : this.#shownAtBase + (1 - this.#shownAtBase) * rest, 1)
    if (!(next < this.#shown)) this.#shown = next
  }

  /** The share has a new basis: the display is the share, or stays ahead of it until both are complete. */
  rebase(share: number): void {
    if (!(share < this.#shown)) this.#shown = firstKnown(share, this.#shown)
    this.#shownAtBase = this.#shown
    this.#shareAtBase = share
  }
}
