import { older } from './events2-time.ts'

/** A resource that never falls silent is told as it is after this long. */
const HOLD_AT_MOST_MS = 100

/** Mirrors that lines have changed. */
export interface ChangedMirrors {
  readonly mirrors: ReadonlySet<string>
  /** When the oldest of the lines was printed, or earlier, milliseconds since 1970; `null`: not known. */
  readonly eventAt: number | null
}

const NOTHING: ChangedMirrors = { mirrors: new Set(), eventAt: null }

/**
 * Holds back the mirrors of the resource that the last line read was about, while more may follow: between the lines of
 * one kernel event its state is half told, and half of "connection lost" looks like a fault of its own.
 */
export class HalfTold {
  #held = NOTHING
  #resource: string | null = null
  #since = 0

  /** Whether something is held back. */
  get isEmpty(): boolean {
    return this.#held.mirrors.size === 0
  }

  /**
   * What can be told, of this and of what was held back before.
   *
   * @param resource what the last line was about; `null`: no line is under way
   * @param nowMs by any clock that only rises
   */
  settle(changed: ChangedMirrors, resource: string | null, nowMs: number): ChangedMirrors {
    const goesOn = resource === this.#resource
    if (!goesOn) this.#since = nowMs
    this.#resource = resource
    const before = this.#held
    this.#held = NOTHING
    const mirrors = before.mirrors.size === 0 ? changed.mirrors : before.mirrors.union(changed.mirrors)
    const eventAt = older(before.eventAt, changed.eventAt)
    if (resource === null || nowMs - this.#since >= HOLD_AT_MOST_MS) return { mirrors, eventAt }
    const held = new Set<string>()
    for (const mirror of mirrors) if (mirror.startsWith(`${resource}/`)) held.add(mirror)
    if (held.size === 0) return { mirrors, eventAt }
    // What was held before is held still, or is all told now: an age is not handed on from resource to resource.
    this.#held = { mirrors: held, eventAt: goesOn ? eventAt : changed.eventAt }
    return { mirrors: mirrors.difference(held), eventAt: goesOn ? changed.eventAt : eventAt }
  }
}
