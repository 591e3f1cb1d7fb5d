import type { Report } from '../sync-query/report.ts'
import { SYNC_STATES } from '../sync-query/state.ts'
import type { ReceivedReport } from './pool-snapshot.ts'
import { factsOf } from './report-facts.ts'

/** What is remembered of one host and one SR, so that an old report that comes late is not taken for a new one. */
export interface KnownReport {
  /** The newest; what the gate goes by. */
  readonly received: ReceivedReport
  /** The newest that could be read, which later ones are measured by. */
  readonly readable: ReadableReport | null
  /** Boots that a newer one has followed, oldest first. */
  readonly earlierBootIds: readonly string[]
  /** The last one that was discarded, until a newer one comes. */
  readonly discarded: ReadableReport | null
}

type ReadableReport = Extract<ReceivedReport, { report: Report }>

/** A host that reboots this often in vain has other troubles than a report from so far back. */
const MAX_EARLIER_BOOTS = 16

/**
 * Takes in what has just arrived from one host about one SR. Of one boot a lower `seq` is discarded; so is another
 * boot's report once a newer boot was seen: a poll may answer after a newer push, and a database may be restored.
 * The same `seq` again is a confirmation. Something unreadable replaces what was known: it is what stands there now.
 *
 * @param leaseMs for how long a known report shuts out those with lower numbers that were made later
 */
export function acceptReport(known: KnownReport | undefined, incoming: ReceivedReport, leaseMs: number): KnownReport {
  if (incoming.report === undefined) {
    const { readable = null, earlierBootIds = [], discarded = null } = known ?? {}
    return { received: incoming, readable, earlierBootIds, discarded }
  }
  const before = known?.readable
  if (known === undefined || before === undefined || before === null) {
    return { received: incoming, readable: incoming, earlierBootIds: [], discarded: null }
  }
  if (incoming.report.bootId === before.report.bootId) {
    if (incoming.report.seq < before.report.seq && !outlives(incoming, before, leaseMs)) {
      return { ...known, discarded: incoming }
    }
    const newest =
      incoming.report.seq === before.report.seq ? confirm(before, incoming) : withKnownList(incoming, before)
    return { ...known, received: newest, readable: newest, discarded: null }
  }
  if (known.earlierBootIds.includes(incoming.report.bootId) || wasMadeBefore(incoming, before)) {
    return { ...known, discarded: incoming }
  }
  const earlierBootIds = [...known.earlierBootIds, before.report.bootId].slice(-MAX_EARLIER_BOOTS)
  return { received: incoming, readable: incoming, earlierBootIds, discarded: null }
}

/** What is known of each host and each SR: by ref of the SR, then by ref of the host. */
export type KnownReports = ReadonlyMap<string, ReadonlyMap<string, KnownReport>>

/** What follows from these reports alone, in whatever order they stand. */
export function knownReports(reports: readonly ReceivedReport[], leaseMs: number): KnownReports {
  const known = new Map<string, Map<string, KnownReport>>()
  for (const [sr, arrived] of Map.groupBy(reports, each => each.sr)) {
    const ofSr = new Map<string, KnownReport>()
    known.set(sr, ofSr)
    for (const [host, ofHost] of Map.groupBy(arrived, each => each.host)) {
      // Each host by itself: a moment that cannot be compared (NaN) must not put the reports of others out of order.
      for (const received of ofHost.length > 1 ? ofHost.toSorted(byConfirmation) : ofHost) {
        ofSr.set(host, acceptReport(ofSr.get(host), received, leaseMs))
      }
    }
  }
  return known
}

function byConfirmation(a: ReceivedReport, b: ReceivedReport): number {
  return a.confirmedAtMs - b.confirmedAtMs
}

/**
 * The same boot and the same number. Should the two differ in their state, one was edited or its writer is wrong, and
 * the worse one stays: what blocks may not be confirmed away without a higher number.
 */
function confirm(before: ReadableReport, incoming: ReadableReport): ReadableReport {
  const worsening = SYNC_STATES.indexOf(before.report.state) - SYNC_STATES.indexOf(incoming.report.state)
  if (worsening !== 0) return worsening > 0 ? incoming : before
  const [earlier, later] = incoming.confirmedAtMs >= before.confirmedAtMs ? [before, incoming] : [incoming, before]
  return withList(later, earlier.report.mirrorList)
}

/**
 * A stored report has no mirror list. One that a poll brought still holds while the host says that it has not changed: each push
 * would else take it away until the next poll, and hosts that may go by it would be blocked and freed again all the time.
 */
function withKnownList(incoming: ReadableReport, { report: known }: ReadableReport): ReadableReport {
  const { listSeq } = incoming.report
  return listSeq !== undefined && listSeq === known.listSeq ? withList(incoming, known.mirrorList) : incoming
}

function withList(received: ReadableReport, mirrorList: Report['mirrorList']): ReadableReport {
  if (mirrorList === undefined || received.report.mirrorList !== undefined) return received
  return { ...received, report: { ...received.report, mirrorList } }
}

/**
 * A boot not seen before is older than the known one if its report was made before the known one was. A known report
 * from the future (a clock set right by the reboot) is dated by its arrival, else it would shut out its successors.
 */
function wasMadeBefore(incoming: ReadableReport, known: ReadableReport): boolean {
  return factsOf(incoming.report).madeAtMs < Math.min(factsOf(known.report).madeAtMs, known.confirmedAtMs)
}

/**
 * A report with a lower number that was made later, when nobody has confirmed the known one for the length of a lease: the
 * known number was not its host's (edited by hand), and would shut out everything the host says until its next boot.
 */
function outlives(incoming: ReadableReport, known: ReadableReport, leaseMs: number): boolean {
  return (
    factsOf(incoming.report).madeAtMs > factsOf(known.report).madeAtMs &&
    incoming.confirmedAtMs > known.confirmedAtMs + leaseMs
  )
}
