import type { Report } from '../../sync-query/report/report.ts'
import { type GateReason, gateReason } from '../reason/gate-reason.ts'
import { isLeftOver, markLeftOvers } from '../reports/left-over-replica.ts'
import { correctFromPeers, type PeerComplaint, type ResolvePeer } from '../reports/peer-complaints.ts'
import type { PeerNames } from '../reports/peer-names.ts'
import { awaitsOperator, factsOf } from '../reports/report-facts.ts'
import type { SrMember } from './sr-members.ts'

/**
 * The conservative rule (DESIGN section 6 b): one reason for each member that is away, going, silent or not in sync.
 * Any reason blocks every member, for nothing is assumed of how the SR spreads its mirrors.
 */
export function conservativeReasons(sr: string, members: readonly SrMember[], names: PeerNames): readonly GateReason[] {
  const refs = members.map(({ host }) => host.ref)
  const meant: ResolvePeer = (peer, speaker) => names.resolve(peer, speaker, refs)
  const byRef: MembersByRef = new Map(members.map(member => [member.host.ref, member]))
  const complaints = complaintsAboutPeers(members, byRef, meant)
  return members.flatMap(member => blocker(sr, member, byRef, complaints.get(member.host.ref) ?? [], meant) ?? [])
}

/** By ref of the host. */
type MembersByRef = ReadonlyMap<string, SrMember>

function blocker(
  sr: string,
  member: SrMember,
  byRef: MembersByRef,
  aboutThis: readonly PeerComplaint[],
  meant: ResolvePeer,
): GateReason | null {
  const { host, report } = member
  if (member.absence !== null) return member.absence
  if (report === null) return member.distrust
  if (report.state !== 'synced') return notSynced(sr, member, report, byRef, aboutThis, meant)
  const [first] = aboutThis
  if (first === undefined) return null
  const mirrors = [...new Set(aboutThis.map(({ complaint }) => complaint.mirror))]
  // The peer knows whether its own reason clears by itself; this host sees nothing of it.
  const needs = aboutThis.some(({ complaint }) => complaint.clearedBy === 'operator')
  const clearedBy = needs ? 'operator' : 'time'
  return gateReason('contradicted-by-peer', host.ref, sr, { peer: first.speaker.ref, mirrors, clearedBy })
}

/**
 * Both sides of a mirror must say that it is in sync: a host may show UpToDate for both while its peer is stuck in a
 * bitmap exchange (LINBIT/drbd#142). By ref of the host that may be meant.
 *
 * Where no member is in sync nothing can be contradicted, and only what tells the other side something is of interest: with
 * every mirror of 64 hosts bad, finding out whom each reason means would take longer than all the rest.
 */
function complaintsAboutPeers(
  members: readonly SrMember[],
  byRef: MembersByRef,
  meant: ResolvePeer,
): ReadonlyMap<string, readonly PeerComplaint[]> {
  const anyInSync = members.some(({ report }) => report?.state === 'synced')
  const anyAwaitsPeer = members.some(({ report }) => report !== null && factsOf(report).awaitsPeer)
  const found = new Map<string, PeerComplaint[]>()
  for (const member of members) {
    const { host: speaker, report } = member
    if (report === null) continue
    const { complaints, standAlone, heldBack } = factsOf(report)
    const telling = anyAwaitsPeer ? [...standAlone, ...heldBack] : standAlone
    for (const complaint of anyInSync ? complaints : telling) {
      for (const peer of meant(complaint.peer, speaker.ref)) {
        if (isLeftOver(complaint, member, byRef.get(peer))) continue
        const about = found.get(peer)
        if (about === undefined) found.set(peer, [{ speaker, complaint }])
        else about.push({ speaker, complaint })
      }
    }
  }
  return found
}

function notSynced(
  sr: string,
  member: SrMember,
  report: Report,
  byRef: MembersByRef,
  aboutThis: readonly PeerComplaint[],
  meant: ResolvePeer,
): GateReason {
  const { host } = member
  const corrected = correctFromPeers(host, report.reasons, aboutThis, meant)
  const mirrorReasons = markLeftOvers(corrected, member, name => meant(name, host.ref).map(ref => byRef.get(ref)))
  const said = mirrorReasons === report.reasons ? factsOf(report).awaitsOperator : awaitsOperator(mirrorReasons)
  // Nothing moves, and nobody says that anything is on its way.
  const saysNothing = mirrorReasons.length === 0 && report.reasonsOmitted === undefined
  const operator = said || (report.state === 'degraded' && saysNothing)
  return gateReason('not-synced', host.ref, sr, {
    clearedBy: operator ? 'operator' : 'time',
    state: report.state,
    mirrorReasons,
    ...(report.reasonsOmitted === undefined ? {} : { mirrorReasonsOmitted: report.reasonsOmitted }),
  })
}
