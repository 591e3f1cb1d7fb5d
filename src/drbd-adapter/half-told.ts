/** A resource that never falls silent is told as it is after this long. */
const HOLD_AT_MOST_MS = 100

/**
 * Holds back the mirrors of the resource that the last line read was about, while more may follow: between the lines of
 * one kernel event its state is half told, and half of "connection lost" looks like a fault of its own.
 */
export class HalfTold {
  #held = new Set<string>()
  #resource: string | null = null
  #since = 0

  /** Whether something is held back. */
  get isEmpty(): boolean {
    return this.#held.size === 0
  }

  /**
   * Which mirrors can be told, of these and of those held back before.
   *
   * @param resource what the last line was about; `null`: no line is under way
   * @param nowMs by any clock that only rises
   */
  settle(mirrors: ReadonlySet<string>, resource: string | null, nowMs: number): ReadonlySet<string> {
    if (resource !== this.#resource) this.#since = nowMs
    this.#resource = resource
    const told = this.isEmpty ? mirrors : this.#held.union(mirrors)
    this.#held = new Set()
    if (resource === null || nowMs - this.#since >= HOLD_AT_MOST_MS) return told
    for (const mirror of told) if (mirror.startsWith(`${resource}/`)) this.#held.add(mirror)
    return this.isEmpty ? told : told.difference(this.#held)
  }
}
