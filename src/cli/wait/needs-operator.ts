import { gateKindOf } from '../../allowed-operations/reason/gate-reason.ts'
import { kindOf } from '../../sync-query/reason/reason.ts'

/** The part of a blocking reason that says who has to act: a reason of a mirror, or of the gate. */
export interface OpenReason {
  readonly code: string
  readonly clearedBy: 'time' | 'operator'
  readonly mirror?: string
}

/**
 * Whether waiting alone is not enough. A wait ends when every reason is gone, so one reason that only an operator clears is enough,
 * whatever else time clears: neither a peer that returns nor the resync of another mirror clears a StandAlone connection.
 *
 * Exceptions are reasons that end with something in progress, because calling an operator for them is a false alarm:
 * - A host goes down on order, or is back and has not reported: the reasons about it and from its peers will be new then.
 * - Data is copied for the same mirror: the reasons about its disks and members end with the copy. An example is the third node's
 *   view of a peer that another node brings up to date.
 * - Any data is copied, and a volume is not up: after a boot thousands of volumes come up one after the other.
 *
 * A resync without progress needs an operator, and a host that stays silent ends the wait as unknown.
 *
 * Reasons that an answer omits do not count: it lists those that need an operator first.
 *
 * @param isCopying data is copied, although no listed reason says so
 */
export function needsOperator(reasons: readonly OpenReason[], isCopying = false): boolean {
  if (reasons.some(({ code, clearedBy }) => clearedBy === 'time' && gateKindOf(code)?.isPassing === true)) return false
  const copies = reasons.filter(({ code, clearedBy }) => clearedBy === 'time' && kindOf(code)?.copies === true)
  const copied = new Set(copies.map(({ mirror }) => mirror))
  return reasons.some(({ code, clearedBy, mirror }) => {
    if (clearedBy !== 'operator') return false
    if (kindOf(code)?.endsWithCopy === true) return !copied.has(mirror)
    return code !== 'not-up' || !(isCopying || copies.length > 0)
  })
}
