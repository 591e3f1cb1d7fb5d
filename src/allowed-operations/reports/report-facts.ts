import { isHeldBackByPeer } from '../../sync-query/reason/reason.ts'
import { blocks, type Report, type ReportReason } from '../../sync-query/report/report.ts'

/** What every decision asks of a report. */
interface ReportFacts {
  /** When it was made, by its host's clock; NaN where that cannot be read. */
  readonly madeAtMs: number
  /** Its blocking reasons that name a peer. */
  readonly complaints: readonly Complaint[]
  /** Those of them that say `stand-alone`. */
  readonly standAlone: readonly Complaint[]
  /** Those that say what holds a resync back on this host. */
  readonly heldBack: readonly Complaint[]
  /** A resync is held back by its peer, who alone can say why. */
  readonly awaitsPeer: boolean
  /** A reason that blocks will not clear by time. */
  readonly awaitsOperator: boolean
  /** Of its blocking reasons those that time clears are about connections that are not there: nothing moves, nothing is unclear. */
  readonly isAtRest: boolean
}

/** Codes of a side that has no connection to its peer. */
export const NOT_CONNECTED: ReadonlySet<string> = new Set(['peer-not-connected', 'stand-alone'])

/** A reason that says of a mirror that it is not in sync with a peer. */
export interface Complaint extends ReportReason {
  readonly peer: string
}

/** A report never changes, so it is looked through once, and not in each decision: 64 hosts x 8 SRs have 512. */
const FOUND = new WeakMap<Report, ReportFacts>()

export function factsOf(report: Report): ReportFacts {
  let facts = FOUND.get(report)
  if (facts === undefined) {
    facts = findFacts(report)
    FOUND.set(report, facts)
  }
  return facts
}

function findFacts({ at, reasons }: Report): ReportFacts {
  const complaints = reasons.flatMap(reason =>
    reason.peer !== undefined && blocks(reason) ? { ...reason, peer: reason.peer } : [],
  )
  return {
    madeAtMs: Date.parse(at),
    complaints,
    standAlone: complaints.filter(({ code }) => code === 'stand-alone'),
    heldBack: complaints.filter(isHeldBackHere),
    awaitsPeer: complaints.some(isHeldBackByPeer),
    awaitsOperator: awaitsOperator(reasons),
    isAtRest: reasons.every(each => !blocks(each) || each.clearedBy === 'operator' || NOT_CONNECTED.has(each.code)),
  }
}

function isHeldBackHere(complaint: Complaint): boolean {
  const { code } = complaint
  return code === 'resync-paused' || (code === 'resync-waiting' && !isHeldBackByPeer(complaint))
}

export function awaitsOperator(reasons: readonly ReportReason[]): boolean {
  return reasons.some(reason => reason.clearedBy === 'operator' && blocks(reason))
}
