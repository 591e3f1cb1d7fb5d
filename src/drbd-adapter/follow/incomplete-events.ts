import { older } from '../events2/events2-time.ts'

/** Milliseconds after which a resource is reported although lines about it keep coming. */
const MAX_HOLD_MS = 100

/** Mirrors that lines have changed. */
export interface EventBatch {
  readonly mirrors: ReadonlySet<string>
  /** When the oldest of the lines was printed, or earlier, Unix time in milliseconds; `null`: not known. */
  readonly eventAt: number | null
}

const NOTHING: EventBatch = { mirrors: new Set(), eventAt: null }

/**
 * Holds back the mirrors of the resource that the last line is about, while more lines can follow. One kernel event prints several
 * lines; the state between them is incomplete, and half of "connection lost" looks like another fault.
 */
export class IncompleteEvents {
  #held = NOTHING
  #resource: string | null = null
  #since = 0

  /** True if nothing is held back. */
  get isEmpty(): boolean {
    return this.#held.mirrors.size === 0
  }

  /**
   * Returns the mirrors that can be reported, of `changed` and of those held back before.
   *
   * @param resource the resource of the last line; `null`: no line is under way
   * @param nowMs by a steady clock
   */
  release(changed: EventBatch, resource: string | null, nowMs: number): EventBatch {
    const isSameResource = resource === this.#resource
    if (!isSameResource) this.#since = nowMs
    this.#resource = resource
    const before = this.#held
    this.#held = NOTHING
    const mirrors = before.mirrors.size === 0 ? changed.mirrors : before.mirrors.union(changed.mirrors)
    const eventAt = older(before.eventAt, changed.eventAt)
    if (resource === null || nowMs - this.#since >= MAX_HOLD_MS) return { mirrors, eventAt }
    const held = new Set<string>()
    for (const mirror of mirrors) if (mirror.startsWith(`${resource}/`)) held.add(mirror)
    if (held.size === 0) return { mirrors, eventAt }
    // The event time belongs to the mirrors held before: it stays with them, and does not pass on to another resource.
    this.#held = { mirrors: held, eventAt: isSameResource ? eventAt : changed.eventAt }
    return { mirrors: mirrors.difference(held), eventAt: isSameResource ? changed.eventAt : eventAt }
  }
}
