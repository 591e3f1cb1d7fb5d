import { isBlocking } from '../sync-query/reason.ts'
import { isReasonCode, type Report, type ReportReason } from '../sync-query/report.ts'
import { type GateReason, gateReason } from './gate-reason.ts'
import type { PeerNames } from './peer-names.ts'
import type { HostSnapshot } from './pool-snapshot.ts'
import type { Member } from './sr-members.ts'

/**
 * The conservative rule (DESIGN section 6 b): one reason for each member that is away, going, silent or not in sync.
 * Any reason blocks every member, for nothing is assumed of how the SR spreads its mirrors.
 */
export function blockers(sr: string, members: readonly Member[], names: PeerNames): readonly GateReason[] {
  const refs = members.map(({ host }) => host.ref)
  const meant: Meant = (peer, speaker) => names.resolve(peer, speaker, refs)
  const complaints = complaintsAboutPeers(members, meant)
  return members.flatMap(member => blocker(sr, member, complaints, meant) ?? [])
}

/** Refs of the members that a speaker may mean by a peer's name. */
type Meant = (peer: string, speaker: string) => readonly string[]

function blocker(sr: string, member: Member, complaints: readonly Complaint[], meant: Meant): GateReason | null {
  const { host, report } = member
  if (member.absence !== null) return member.absence
  if (report === null) return member.distrust
  const aboutThis = complaints.filter(({ peers }) => peers.includes(host.ref))
  if (report.state !== 'synced') return notSynced(sr, host, report, aboutThis, meant)
  const [first] = aboutThis
  if (first === undefined) return null
  const mirrors = [...new Set(aboutThis.map(({ reason }) => reason.mirror))]
  return gateReason('contradicted-by-peer', host.ref, sr, { peer: first.speaker.ref, mirrors })
}

/** One member says that a mirror is not in sync with others. */
interface Complaint {
  readonly speaker: HostSnapshot
  readonly reason: ReportReason
  /** Refs of the hosts it may mean. */
  readonly peers: readonly string[]
}

/**
 * Both sides of a mirror must say that it is in sync: a host may show UpToDate for both while its peer is stuck in a
 * bitmap exchange (LINBIT/drbd#142).
 */
function complaintsAboutPeers(members: readonly Member[], meant: Meant): readonly Complaint[] {
  return members.flatMap(({ host, report }) =>
    (report?.reasons ?? []).flatMap(reason =>
      reason.peer !== undefined && blocks(reason) ? { speaker: host, reason, peers: meant(reason.peer, host.ref) } : [],
    ),
  )
}

/** A code from a newer program is taken for a blocking one. */
function blocks({ code }: ReportReason): boolean {
  return !isReasonCode(code) || isBlocking(code)
}

function notSynced(
  sr: string,
  host: HostSnapshot,
  report: Report,
  aboutThis: readonly Complaint[],
  meant: Meant,
): GateReason {
  const mirrorReasons = report.reasons.map(reason => {
    const { code, mirror, peer } = reason
    if (code !== 'peer-not-connected' || peer === undefined) return reason
    // Connecting here will not end while the other side is StandAlone: it has stopped listening, until it is told.
    const givenUp = aboutThis.find(
      ({ reason: other, speaker }) =>
        other.code === 'stand-alone' && other.mirror === mirror && meant(peer, host.ref).includes(speaker.ref),
    )
    return givenUp === undefined ? reason : { ...reason, clearedBy: 'operator' as const, waitsFor: peer }
  })
  const needsOperator = mirrorReasons.some(reason => blocks(reason) && reason.clearedBy === 'operator')
  return gateReason('not-synced', host.ref, sr, {
    clearedBy: needsOperator ? 'operator' : 'time',
    state: report.state,
    mirrorReasons,
    ...(report.reasonsOmitted === undefined ? {} : { mirrorReasonsOmitted: report.reasonsOmitted }),
  })
}
