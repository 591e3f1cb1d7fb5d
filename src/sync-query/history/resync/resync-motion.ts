/** What a resync does at one reading. */
export type ResyncPhase =
  /** Data is copied, or a handshake runs. */
  | 'moving'
  /** Every source or target is paused and the kernel gives no cause. Bytes that still move are writes of the virtual disk. */
  | 'stuck'
  /** It waits, is paused, or the peer falls behind under load: it does not move by design. */
  | 'held'

/** Milliseconds for which writes must outrun a resync before it is outrun, and for which it must gain before it is no longer. */
const LOSES_AFTER_MS = 60_000
const GAINS_AFTER_MS = 30_000

/**
 * Whether one resync moves, and whether it gains on the writes of its virtual disk. Written in place; an unknown figure is `NaN`.
 *
 * Each reading is compared with the one before it, never with the best one: writes can add more than a resync copies
 * (piraeus-operator#836).
 */
export class ResyncMotion {
  #outOfSync = Number.NaN
  #moved = Number.NaN
  #progress = Number.NaN
  /** The last reading with less out of sync, more bytes moved, or more progress. */
  #movedAt = Number.NaN
  /** The last reading with less out of sync or more progress. */
  #gainedAt = Number.NaN
  /** More got out of sync after that. */
  #lost = false
  #bytesMovedAt = Number.NEGATIVE_INFINITY
  /** The amount out of sync at which the trend turns: the least, or the most while it is outrun. */
  #turn = Number.NaN
  #turnAt = Number.NaN
  /** `NaN`: it is not outrun. */
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
    // Waiting is not a stall when it continues.
    if (phase === 'held') {
      this.#movedAt = at
      this.#gainedAt = at
    }
    if (phase === 'moving') this.#followTrend(at)
    else this.#restart(at)
  }

  /** The clock was set back: durations stay as they are. */
  shift(backMs: number): void {
    this.#movedAt -= backMs
    this.#gainedAt -= backMs
    this.#bytesMovedAt -= backMs
    this.#turnAt -= backMs
    this.#outrunSince -= backMs
  }

  /** Nothing has moved for this long. */
  stoodStill(now: number, forMs: number): boolean {
    return now - this.#movedAt >= forMs
  }

  /** It has gained within this time, and not lost since. */
  gained(now: number, withinMs: number): boolean {
    return !this.#lost && now - this.#gainedAt <= withinMs
  }

  /** Writes outrun it. */
  get isOutrun(): boolean {
    return !Number.isNaN(this.#outrunSince)
  }

  /** It has gained nothing for this long, whether or not data moves. */
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
