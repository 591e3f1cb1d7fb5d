import { isBlocking, kindOf } from '../../sync-query/reason/reason.ts'
import { isHeldBackByPeer } from '../../sync-query/reason/resync-waiting.ts'
import type { Report, ReportReason } from '../../sync-query/report/report.ts'

/** Facts about a report that every decision needs. */
interface ReportFacts {
  /** When it was made, on the clock of its host; NaN if that cannot be read. */
  readonly madeAtMs: number
  /** Its blocking reasons that name a peer. */
  readonly complaints: readonly Complaint[]
  /** The complaints with the code `stand-alone`. */
  readonly standAlone: readonly Complaint[]
  /** The complaints about what holds a resync back on this host. */
  readonly heldBack: readonly Complaint[]
  /** A reason has a code of a host without a connection to its peer. */
  readonly isAnyDisconnected: boolean
  /** A resync is held back by its peer. Only the report of the peer contains the cause. */
  readonly awaitsPeer: boolean
  /** A blocking reason needs an operator. */
  readonly awaitsOperator: boolean
  /** Nothing moves: of its blocking reasons, those that time clears are all about missing connections. */
  readonly isAtRest: boolean
}

/** The code says that a host has no connection to its peer. */
export function isDisconnected(code: string): boolean {
  return kindOf(code)?.isDisconnected === true
}

/** A blocking reason that names a peer: a mirror is not in sync with that peer. */
export interface Complaint extends ReportReason {
  readonly peer: string
}

/** A report never changes, so its facts are found once and not in each decision: 64 hosts x 8 SRs have 512 reports. */
const FACTS = new WeakMap<Report, ReportFacts>()

export function factsOf(report: Report): ReportFacts {
  let facts = FACTS.get(report)
  if (facts === undefined) {
    facts = findFacts(report)
    FACTS.set(report, facts)
  }
  return facts
}

function findFacts({ at, reasons }: Report): ReportFacts {
  const complaints = reasons.flatMap(reason =>
    reason.peer !== undefined && isBlocking(reason.code) ? { ...reason, peer: reason.peer } : [],
  )
  return {
    madeAtMs: Date.parse(at),
    complaints,
    standAlone: complaints.filter(({ code }) => code === 'stand-alone'),
    heldBack: complaints.filter(isHeldBackHere),
    isAnyDisconnected: reasons.some(({ code }) => isDisconnected(code)),
    awaitsPeer: complaints.some(isHeldBackByPeer),
    awaitsOperator: awaitsOperator(reasons),
    isAtRest: reasons.every(
      each => !isBlocking(each.code) || each.clearedBy === 'operator' || isDisconnected(each.code),
    ),
  }
}

function isHeldBackHere(complaint: Complaint): boolean {
  const { code } = complaint
  return code === 'resync-paused' || (code === 'resync-waiting' && !isHeldBackByPeer(complaint))
}

export function awaitsOperator(reasons: readonly ReportReason[]): boolean {
  return reasons.some(reason => reason.clearedBy === 'operator' && isBlocking(reason.code))
}
