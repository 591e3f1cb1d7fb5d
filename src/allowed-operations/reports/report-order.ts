import type { Report } from '../../sync-query/report/report.ts'
import { SYNC_STATES } from '../../sync-query/state.ts'
import type { ReceivedReport } from '../pool/pool-snapshot.ts'
import { factsOf } from './report-facts.ts'

/** What is remembered of one host, one SR and one boot. */
interface BootReports {
  /** The newest, or something unreadable that arrived after it. */
  readonly received: ReceivedReport
  /** The newest that could be read, which later ones are measured by. */
  readonly readable: ReadableReport
  /** The last one that was discarded, until a newer one comes. */
  readonly discarded: ReadableReport | null
}

/**
 * What is remembered of one host and one SR, so that an old report that comes late is not taken for a new one: the reports of
 * each boot, and those of the boot that leads. Which boot is the present one, the heartbeats of the host say (`ofPresentBoot`);
 * where there are none, the boot that leads is taken for it.
 */
export interface KnownReport extends Omit<BootReports, 'readable'> {
  readonly readable: ReadableReport | null
  /** The one that was heard last at the end; the boot that leads is among them. */
  readonly boots: readonly BootReports[]
}

type ReadableReport = Extract<ReceivedReport, { report: Report }>

/** A host that reboots this often in vain has other troubles than a report from so far back. */
const MAX_BOOTS = 16

/**
 * Takes in what has just arrived from one host about one SR. Of one boot a lower `seq` is discarded: a poll may answer after a
 * newer push, and a database may be restored. The same `seq` again is a confirmation. Something unreadable replaces what was
 * known: it is what stands there now.
 *
 * Without heartbeats, boots are put in order by the dates of their reports, which clocks may have got wrong: see `follows`.
 *
 * @param leaseMs for how long a known report shuts out those with lower numbers, or of other boots, that are made later
 */
export function acceptReport(known: KnownReport | undefined, incoming: ReceivedReport, leaseMs: number): KnownReport {
  if (incoming.report === undefined) {
    const { readable = null, discarded = null, boots = [] } = known ?? {}
    return { received: incoming, readable, discarded, boots: boots.map(each => ({ ...each, received: incoming })) }
  }
  const { bootId } = incoming.report
  const before = known?.boots.find(each => each.readable.report.bootId === bootId)
  const ofBoot = acceptOfBoot(before, incoming, leaseMs)
  const others = known?.boots.filter(each => each !== before) ?? []
  const boots = [...others, ofBoot]
  if (known === undefined || known.readable === null || known.readable.report.bootId === bootId) {
    return { ...ofBoot, boots: bounded(boots, ofBoot) }
  }
  if (follows(known.readable, incoming, before !== undefined, leaseMs))
    return { ...ofBoot, boots: bounded(boots, ofBoot) }
  const leading = known.boots.find(each => each.readable.report.bootId === known.readable?.report.bootId)
  return { ...known, discarded: incoming, boots: bounded(boots, leading) }
}

function acceptOfBoot(before: BootReports | undefined, incoming: ReadableReport, leaseMs: number): BootReports {
  if (before === undefined) return { received: incoming, readable: incoming, discarded: null }
  const { readable } = before
  const { seq } = incoming.report
  if (seq < readable.report.seq && !outlives(incoming, readable, leaseMs)) return { ...before, discarded: incoming }
  const newest = seq === readable.report.seq ? confirm(readable, incoming) : withKnownList(incoming, readable)
  return { received: newest, readable: newest, discarded: null }
}

function bounded(boots: readonly BootReports[], leading: BootReports | undefined): readonly BootReports[] {
  if (boots.length <= MAX_BOOTS) return boots
  const oldest = boots.find(each => each !== leading)
  return boots.filter(each => each !== oldest)
}

/**
 * What counts of a host that says with its heartbeats which boot it is in: the reports of that boot alone, whatever the dates
 * of others. Of a host that has sent none of that boot, or says nothing of boots, all that is known.
 */
export function ofPresentBoot(known: KnownReport | undefined, bootId: string | undefined): KnownReport | undefined {
  if (known === undefined || bootId === undefined || known.readable?.report.bootId === bootId) return known
  const present = known.boots.find(each => each.readable.report.bootId === bootId)
  return present === undefined ? known : { ...present, boots: known.boots }
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
 * Whether a report of another boot leads from now on. It does if its boot is new and the report was made no earlier than the
 * leading one. Clocks that were wrong must not shut out a boot for ever, so it also leads if it arrives more than a lease after
 * the leading boot was last confirmed: a host that is in that boot would have confirmed it.
 *
 * A leading report from the future (a clock that the reboot set right) is dated by its arrival.
 */
function follows(leading: ReadableReport, incoming: ReadableReport, isKnownBoot: boolean, leaseMs: number): boolean {
  if (incoming.confirmedAtMs > leading.confirmedAtMs + leaseMs) return true
  const leadingAtMs = Math.min(factsOf(leading.report).madeAtMs, leading.confirmedAtMs)
  return !isKnownBoot && factsOf(incoming.report).madeAtMs >= leadingAtMs
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
