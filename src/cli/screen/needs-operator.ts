import { gateKindOf } from '../../allowed-operations/reason/gate-reason.ts'
import { kindOf } from '../../sync-query/reason/reason.ts'

/** A reason that blocks, as far as it tells who has to act: one of a mirror, or one of the gate. */
export interface Standing {
  readonly code: string
  readonly clearedBy: 'time' | 'operator'
  readonly mirror?: string
}

/**
 * Whether waiting alone will not do. A wait ends when every reason is gone, so one that only an operator clears is enough,
 * whatever else time clears meanwhile: a peer that is awaited, or another mirror's resync, takes no StandAlone away.
 *
 * The exception is what is under way and changes such a reason by its end; to call somebody then would be a false alarm:
 * - a host that was told to go down, or is back and has not spoken yet: all that is said of it and by its peers is new then;
 * - data that is copied for the same mirror: what is said of its disks and members is over with it, such as the third
 *   node's view of a peer that another node brings up to date;
 * - data that is copied at all, for a volume that is not up: after a boot thousands come up one after the other.
 *
 * A resync that stands still becomes an operator's, and a host that stays silent ends the wait as unknown.
 *
 * Reasons that were left out of an answer do not count: those of an operator are told first.
 *
 * @param isCopying data is copied, also where no reason that is told says so
 */
export function needsOperator(reasons: readonly Standing[], isCopying = false): boolean {
  if (reasons.some(({ code, clearedBy }) => clearedBy === 'time' && gateKindOf(code)?.isPassing === true)) return false
  const copies = reasons.filter(({ code, clearedBy }) => clearedBy === 'time' && kindOf(code)?.copies === true)
  const copied = new Set(copies.map(({ mirror }) => mirror))
  return reasons.some(({ code, clearedBy, mirror }) => {
    if (clearedBy !== 'operator') return false
    if (kindOf(code)?.endsWithCopy === true) return !copied.has(mirror)
    return code !== 'not-up' || !(isCopying || copies.length > 0)
  })
}
