import type { Report } from '../../sync-query/report/report.ts'
import { type GateReason, gateReason } from '../reason/gate-reason.ts'
import { isLeftOver, markLeftOvers } from '../reports/left-over-replica.ts'
import { correctFromPeers, type PeerComplaint, type ResolvePeer } from '../reports/peer-complaints.ts'
import type { PeerNames } from '../reports/peer-names.ts'
import { awaitsOperator, factsOf } from '../reports/report-facts.ts'
import type { SrMember } from './sr-members.ts'

/**
 * The conservative rule (DESIGN section 6 b): one reason for each member that is down, going down, without a valid report or not in
 * sync. Any reason blocks every member, because the rule assumes nothing about how the SR distributes its mirrors.
 */
export function conservativeReasons(sr: string, members: readonly SrMember[], names: PeerNames): readonly GateReason[] {
  const refs = members.map(({ host }) => host.ref)
  const resolve: ResolvePeer = (peer, reporter) => names.resolve(peer, reporter, refs)
  const byRef: MembersByRef = new Map(members.map(member => [member.host.ref, member]))
  const complaints = complaintsByHost(members, byRef, resolve)
  return members.flatMap(
    member => memberReason(sr, member, byRef, complaints.get(member.host.ref) ?? [], resolve) ?? [],
  )
}

/** By ref of the host. */
type MembersByRef = ReadonlyMap<string, SrMember>

function memberReason(
  sr: string,
  member: SrMember,
  byRef: MembersByRef,
  aboutThis: readonly PeerComplaint[],
  resolve: ResolvePeer,
): GateReason | null {
  const { host, report } = member
  if (member.absence !== null) return member.absence
  if (report === null) return member.distrust
  if (report.state !== 'synced') return notSyncedReason(sr, member, report, byRef, aboutThis, resolve)
  const [first] = aboutThis
  if (first === undefined) return null
  const mirrors = [...new Set(aboutThis.map(({ complaint }) => complaint.mirror))]
  // Only the peer knows whether its reason clears by itself.
  const isOperator = aboutThis.some(({ complaint }) => complaint.clearedBy === 'operator')
  const clearedBy = isOperator ? 'operator' : 'time'
  return gateReason('contradicted-by-peer', host.ref, sr, { peer: first.reporter.ref, mirrors, clearedBy })
}

/**
 * The blocking reasons of members that name a peer, by ref of the host that the name may mean. Both sides of a mirror must report it
 * in sync: a host may show UpToDate for both while its peer is stuck in a bitmap exchange (LINBIT/drbd#142).
 *
 * If no member is in sync, nothing can be contradicted, and only reasons that correct those of the other side are collected: with
 * every mirror of 64 hosts bad, resolving the peer of each reason would take longer than everything else.
 */
function complaintsByHost(
  members: readonly SrMember[],
  byRef: MembersByRef,
  resolve: ResolvePeer,
): ReadonlyMap<string, readonly PeerComplaint[]> {
  const found = new Map<string, PeerComplaint[]>()
  const complaining = members.flatMap(member => {
    const facts = member.report === null ? null : factsOf(member.report)
    return facts === null || facts.complaints.length === 0 ? [] : { member, facts }
  })
  if (complaining.length === 0) return found
  const anyInSync = members.some(({ report }) => report?.state === 'synced')
  const anyAwaitsPeer = complaining.some(({ facts }) => facts.awaitsPeer)
  for (const { member, facts } of complaining) {
    const reporter = member.host
    const { complaints, standAlone, heldBack } = facts
    const correcting = anyAwaitsPeer ? [...standAlone, ...heldBack] : standAlone
    for (const complaint of anyInSync ? complaints : correcting) {
      for (const peer of resolve(complaint.peer, reporter.ref)) {
        if (isLeftOver(complaint, member, byRef.get(peer))) continue
        const about = found.get(peer)
        if (about === undefined) found.set(peer, [{ reporter, complaint }])
        else about.push({ reporter, complaint })
      }
    }
  }
  return found
}

function notSyncedReason(
  sr: string,
  member: SrMember,
  report: Report,
  byRef: MembersByRef,
  aboutThis: readonly PeerComplaint[],
  resolve: ResolvePeer,
): GateReason {
  const { host } = member
  const corrected = correctFromPeers(host, report.reasons, aboutThis, resolve)
  const mirrorReasons = markLeftOvers(corrected, member, name => resolve(name, host.ref).map(ref => byRef.get(ref)))
  const isReported = mirrorReasons === report.reasons ? factsOf(report).awaitsOperator : awaitsOperator(mirrorReasons)
  // A degraded SR without any reason: nothing shows that time will clear it.
  const hasNoReasons = mirrorReasons.length === 0 && report.reasonsOmitted === undefined
  const isOperator = isReported || (report.state === 'degraded' && hasNoReasons)
  return gateReason('not-synced', host.ref, sr, {
    clearedBy: isOperator ? 'operator' : 'time',
    state: report.state,
    mirrorReasons,
    ...(report.reasonsOmitted === undefined ? {} : { mirrorReasonsOmitted: report.reasonsOmitted }),
  })
}
