import type { Report } from '../../sync-query/report/report.ts'
import { SYNC_STATES } from '../../sync-query/state.ts'
import type { ReceivedReport } from '../pool/pool-snapshot.ts'
import { factsOf } from './report-facts.ts'

/** The remembered reports of one host, one SR and one boot. */
interface BootReports {
  /** The newest report, or an unreadable one that arrived later. */
  readonly received: ReceivedReport
  /** The newest readable report, with which later ones are compared. */
  readonly readable: ReadableReport
  /** The last discarded report, until a newer one arrives. */
  readonly discarded: ReadableReport | null
}

/**
 * The remembered reports of one host and one SR, by boot, so that an old report that arrives late does not count as a new one. The
 * fields are those of the leading boot. The heartbeats of a host state its present boot (`ofPresentBoot`); without heartbeats the
 * leading boot counts as the present one.
 */
export interface KnownReport extends Omit<BootReports, 'readable'> {
  readonly readable: ReadableReport | null
  /** In the order of their last reports, the last one at the end. Contains the leading boot. */
  readonly boots: readonly BootReports[]
}

type ReadableReport = Extract<ReceivedReport, { report: Report }>

/** More boots than this are not kept. A report from so many boots ago is not to be expected. */
const MAX_BOOTS = 16

/**
 * Takes in a report that has just arrived from one host about one SR. Within one boot a lower `seq` is discarded: a poll may answer
 * after a newer push, and a database may be restored. The same `seq` again is a confirmation. An unreadable report replaces the known
 * one, because it is the present content.
 *
 * Without heartbeats, boots are ordered by the dates of their reports, which may be wrong because of clocks: see `follows`.
 *
 * @param leaseMs how long a known report excludes later reports with lower numbers, or of other boots
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
 * The reports that are relevant for a host whose heartbeats state its boot: only those of that boot, whatever the dates of others.
 * If the host has sent none in that boot, or does not state its boot: everything that is known.
 */
export function ofPresentBoot(known: KnownReport | undefined, bootId: string | undefined): KnownReport | undefined {
  if (known === undefined || bootId === undefined || known.readable?.report.bootId === bootId) return known
  const present = known.boots.find(each => each.readable.report.bootId === bootId)
  return present === undefined ? known : { ...present, boots: known.boots }
}

/** The remembered reports of each host and SR: by ref of the SR, then by ref of the host. */
export type KnownReports = ReadonlyMap<string, ReadonlyMap<string, KnownReport>>

/** The result of taking in these reports alone, in any order. */
export function knownReports(reports: readonly ReceivedReport[], leaseMs: number): KnownReports {
  const known = new Map<string, Map<string, KnownReport>>()
  for (const [sr, arrived] of Map.groupBy(reports, each => each.sr)) {
    const ofSr = new Map<string, KnownReport>()
    known.set(sr, ofSr)
    for (const [host, ofHost] of Map.groupBy(arrived, each => each.host)) {
      // Each host separately: a moment that cannot be compared (NaN) must not disorder the reports of other hosts.
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
 * Combines two reports of the same boot and number. If their states differ, one was edited or its writer is wrong, and the worse one
 * stays: a report that blocks must not be replaced without a higher number.
 */
function confirm(before: ReadableReport, incoming: ReadableReport): ReadableReport {
  const worsening = SYNC_STATES.indexOf(before.report.state) - SYNC_STATES.indexOf(incoming.report.state)
  if (worsening !== 0) return worsening > 0 ? incoming : before
  const [earlier, later] = incoming.confirmedAtMs >= before.confirmedAtMs ? [before, incoming] : [incoming, before]
  return withList(later, earlier.report.mirrorList)
}

/**
 * Keeps the known mirror list if the host states that it has not changed. A stored report has no mirror list: each push would
 * otherwise remove the list until the next poll, and hosts that are allowed because of it would be blocked and allowed again and again.
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
 * Whether a report makes its boot the leading one. It does if the boot is new and the report was made no earlier than the leading
 * one. Wrong clocks must not exclude a boot for ever, so it also does if it arrives more than a lease after the leading boot was last
 * confirmed: a host in that boot would have confirmed it.
 *
 * A leading report from the future (the reboot corrected the clock) is dated by its arrival.
 */
function follows(leading: ReadableReport, incoming: ReadableReport, isKnownBoot: boolean, leaseMs: number): boolean {
  if (incoming.confirmedAtMs > leading.confirmedAtMs + leaseMs) return true
  const leadingAtMs = Math.min(factsOf(leading.report).madeAtMs, leading.confirmedAtMs)
  return !isKnownBoot && factsOf(incoming.report).madeAtMs >= leadingAtMs
}

/**
 * Whether a report with a lower number replaces the known one: it was made later, and the known one was not confirmed for the length
 * of a lease. The known number is then not from its host (edited by hand), and would exclude every report until the next boot.
 */
function outlives(incoming: ReadableReport, known: ReadableReport, leaseMs: number): boolean {
  return (
    factsOf(incoming.report).madeAtMs > factsOf(known.report).madeAtMs &&
    incoming.confirmedAtMs > known.confirmedAtMs + leaseMs
  )
}
