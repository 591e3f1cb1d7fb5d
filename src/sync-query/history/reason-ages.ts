import { REASONS, type Reason } from '../reason/reason.ts'
import type { ReasonOutline } from '../sr-state/reason-outline.ts'

/** How long a reason may last before it says more; `Infinity`: for ever. */
export function patienceWith(reason: Reason, stuckAfterMs: number): number {
  // A detach, an I/O error on its way and a handshake pass in moments; later the kernel is stuck in it.
  if (isLeavingDisk(reason) || isIdle(reason)) return stuckAfterMs
  // Another host copies to that peer, which may take days and has its own reasons there.
  const isCopiedElsewhere = reason.code === 'peer-disk-not-up-to-date' && reason.word === 'Inconsistent'
  if (reason.clearedBy === 'operator' || isCopiedElsewhere) return Number.POSITIVE_INFINITY
  return REASONS[reason.code].patienceMs ?? Number.POSITIVE_INFINITY
}

/** What a reason says once it has lasted for longer than that. */
export function outOfPatience(reason: Reason): Reason {
  if (isLeavingDisk(reason)) return { ...reason, code: 'disk-stuck', clearedBy: 'operator' }
  if (isIdle(reason)) return { ...reason, code: 'resync-never-began', clearedBy: 'operator', side: 'source' }
  return { ...reason, clearedBy: 'operator' }
}

/** The largest moment that a date can be, milliseconds since 1970. */
const LAST_MOMENT_MS = 8_640_000_000_000_000

/** A reason with the moment since which it has been given, where that is of interest; a recording without a clock has none. */
export function dated(reason: Reason, since: number): Reason {
  const { isDated = false } = REASONS[reason.code]
  return isDated && since > 0 && since <= LAST_MOMENT_MS ? { ...reason, since: new Date(since).toISOString() } : reason
}

/** The local disk is on its way out: DRBD waits for I/O that is under way on it. */
function isLeavingDisk({ code, word }: Reason): boolean {
  return code === 'disk-not-up-to-date' && (word === 'Detaching' || word === 'Failed')
}

/** A peer lacks data that is marked here, and nothing copies it: its resync begins within moments, or never. */
function isIdle({ code, clearedBy, outOfSyncBytes }: Reason): boolean {
  return code === 'peer-disk-not-up-to-date' && clearedBy === 'time' && outOfSyncBytes !== undefined
}

/**
 * Since when each reason of one mirror has been given, in the order of its outline. Written in place.
 *
 * A reason is the same as before if it is of the same kind and about the same object: a peer that is away goes through several
 * words (Unconnected, Connecting, …) and has been away since the first.
 */
export class ReasonAges {
  #since: number[] = []
  #now = Number.NaN

  /** Takes in what is said at `at` in place of what was said before. */
  follow(before: ReasonOutline, after: ReasonOutline, at: number): void {
    this.passTo(at)
    if (before === after) return
    const since = this.#since
    this.#since = after.examples.map(each => {
      const index = before.examples.findIndex(known => isSameReason(known, each))
      return since[index] ?? at
    })
  }

  /** It is that moment now. By a clock that was set back what has lasted has lasted as long as before. */
  passTo(now: number): void {
    const back = this.#now - now
    if (back > 0) for (const [index, since] of this.#since.entries()) this.#since[index] = since - back
    this.#now = now
  }

  /** Milliseconds since 1970; `NaN` of a reason that is not given. */
  since(index: number): number {
    return this.#since[index] ?? Number.NaN
  }

  countOverdue({ examples }: ReasonOutline, stuckAfterMs: number): number {
    let overdue = 0
    for (const [index, example] of examples.entries()) if (this.isOverdue(index, example, stuckAfterMs)) overdue += 1
    return overdue
  }

  /** It has been given for longer than it may be without somebody who acts. */
  isOverdue(index: number, reason: Reason, stuckAfterMs: number): boolean {
    return this.#now - this.since(index) >= patienceWith(reason, stuckAfterMs)
  }
}

function isSameReason(a: Reason, b: Reason): boolean {
  const isDisk = a.code === 'disk-not-up-to-date'
  return a.code === b.code && a.peer === b.peer && a.field === b.field && (!isDisk || a.word === b.word)
}
