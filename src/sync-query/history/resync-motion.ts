/** What a resync does at one look, as far as its figures mean something. */
export type ResyncPhase =
  /** Data is copied, or a handshake is under way. */
  | 'moving'
  /** Every source or target is paused and the kernel gives no cause. Bytes that still move are writes of the virtual disk. */
  | 'stuck'
  /** It waits, is paused, or the peer falls behind under load: it stands still by design. */
  | 'held'

/** How long a resync must lose ground to writes before that is said, and gain ground before it is taken back. Milliseconds. */
const LOSES_AFTER_MS = 60_000
const GAINS_AFTER_MS = 30_000

/**
 * Whether one resync moves, and whether it gains on the writes of its virtual disk. Written in place; figures are `NaN` where not
 * known.
 *
 * Each reading is compared with the one before it, never with the best ever seen: writes can add more than a resync copies
 * (piraeus-operator#836), and then what was reached once says nothing of now.
 */
export class ResyncMotion {
  #outOfSync = Number.NaN
  #moved = Number.NaN
  #progress = Number.NaN
  /** The last sign of life: less out of sync, more bytes moved, or more progress. */
  #movedAt = Number.NaN
  /** The last reading with less out of sync or more progress. */
  #gainedAt = Number.NaN
  /** More got out of sync since then. */
  #lost = false
  #bytesMovedAt = Number.NEGATIVE_INFINITY
  /** The turning point behind which the present trend would be another: the least, or while it loses ground the most. */
  #turn = Number.NaN
  #turnAt = Number.NaN
  /** `NaN`: it does not lose ground. */
  #outrunSince = Number.NaN

  begin(outOfSync: number, moved: number, progress: number, at: number): void {
    this.#keep(outOfSync, moved, progress)
    this.#movedAt = at
    this.#gainedAt = at
    this.#lost = false
    this.#bytesMovedAt = Number.NEGATIVE_INFINITY
    this.#restart(at)
  }

  see(outOfSync: number, moved: number, progress: number, phase: ResyncPhase, at: number): void {
    const fell = outOfSync < this.#outOfSync
    const rose = progress > this.#progress
    const grew = outOfSync > this.#outOfSync
    const bytesMoved = phase === 'moving' && moved > this.#moved
    this.#keep(outOfSync, moved, progress)
    if (bytesMoved) this.#bytesMovedAt = at
    if (fell || rose || bytesMoved) this.#movedAt = at
    if (fell || (rose && !grew)) this.#gainedAt = at
    this.#lost = grew || (this.#lost && this.#gainedAt !== at)
    // The time for which it had to wait is no stall when it goes on.
    if (phase === 'held') {
      this.#movedAt = at
      this.#gainedAt = at
    }
    if (phase === 'moving') this.#followTrend(at)
    else this.#restart(at)
  }

  /** The clock was set back by so much: what has lasted has lasted as long as before. */
  shift(backMs: number): void {
    this.#movedAt -= backMs
    this.#gainedAt -= backMs
    this.#bytesMovedAt -= backMs
    this.#turnAt -= backMs
    this.#outrunSince -= backMs
  }

  /** Nothing has moved for this long, as of `now`. */
  stoodStill(now: number, forMs: number): boolean {
    return now - this.#movedAt >= forMs
  }

  /** It has got better within this time, and not worse since. */
  gained(now: number, withinMs: number): boolean {
    return !this.#lost && now - this.#gainedAt <= withinMs
  }

  /** Writes outrun it. */
  get isOutrun(): boolean {
    return !Number.isNaN(this.#outrunSince)
  }

  /** It has gained nothing for this long, whether it moves or not. */
  isInVain(now: number, forMs: number): boolean {
    return now - (this.isOutrun ? this.#outrunSince : this.#gainedAt) >= forMs
  }

  #keep(outOfSync: number, moved: number, progress: number): void {
    this.#outOfSync = outOfSync
    this.#moved = moved
    this.#progress = progress
  }

  #restart(at: number): void {
    this.#turn = this.#outOfSync
    this.#turnAt = at
    this.#outrunSince = Number.NaN
  }

  #followTrend(at: number): void {
    const out = this.#outOfSync
    if (Number.isNaN(this.#outrunSince)) {
      if (!(out > this.#turn)) this.#restart(at)
      else if (at - this.#turnAt >= LOSES_AFTER_MS && at - this.#bytesMovedAt < LOSES_AFTER_MS) {
        this.#outrunSince = this.#turnAt
        this.#turn = out
        this.#turnAt = at
      }
    } else if (!(out < this.#turn)) {
      this.#turn = out
      this.#turnAt = at
    } else if (at - this.#turnAt >= GAINS_AFTER_MS) this.#restart(at)
  }
}
