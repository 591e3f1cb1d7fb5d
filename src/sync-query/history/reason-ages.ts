import type { Reason } from '../reason/reason.ts'
import { patienceWith } from '../reason/reason-patience.ts'
import type { ReasonOutline } from './reason-outline.ts'

/**
 * Since when one mirror has had each reason, in the order of its outline. Written in place.
 *
 * A reason is the same as before if it has the same code and object: an absent peer goes through several connection states
 * (Unconnected, Connecting, …) and has been absent since the first.
 */
export class ReasonAges {
  #since: number[] = []
  #now = Number.NaN

  /** Replaces the reasons `before` by the reasons `after`, read at `at`. */
  follow(before: ReasonOutline, after: ReasonOutline, at: number): void {
    this.passTo(at)
    if (before === after) return
    const since = this.#since
    this.#since = after.examples.map(each => {
      const index = before.examples.findIndex(known => isSameReason(known, each))
      return since[index] ?? at
    })
  }

  /** Sets the present moment. If the clock was set back, durations stay as they are. */
  passTo(now: number): void {
    const back = this.#now - now
    if (back > 0) for (const [index, since] of this.#since.entries()) this.#since[index] = since - back
    this.#now = now
  }

  /** Unix time in milliseconds; `NaN` if there is no such reason. */
  since(index: number): number {
    return this.#since[index] ?? Number.NaN
  }

  countOverdue({ examples }: ReasonOutline, stuckAfterMs: number): number {
    let overdue = 0
    for (const [index, example] of examples.entries()) if (this.isOverdue(index, example, stuckAfterMs)) overdue += 1
    return overdue
  }

  /** The reason has lasted longer than `patienceWith`. */
  isOverdue(index: number, reason: Reason, stuckAfterMs: number): boolean {
    return this.#now - this.since(index) >= patienceWith(reason, stuckAfterMs)
  }
}

function isSameReason(a: Reason, b: Reason): boolean {
  const isDisk = a.code === 'disk-not-up-to-date'
  return a.code === b.code && a.peer === b.peer && a.field === b.field && (!isDisk || a.word === b.word)
}
