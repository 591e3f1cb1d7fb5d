import type { Report, ReportReason } from '../sync-query/report.ts'
import { type GateReason, gateReason } from './gate-reason.ts'
import type { PeerNames } from './peer-names.ts'
import type { HostSnapshot } from './pool-snapshot.ts'
import { type Complaint, factsOf, needsOperator } from './report-facts.ts'
import type { Member } from './sr-members.ts'

/**
 * The conservative rule (DESIGN section 6 b): one reason for each member that is away, going, silent or not in sync.
 * Any reason blocks every member, for nothing is assumed of how the SR spreads its mirrors.
 */
export function blockers(sr: string, members: readonly Member[], names: PeerNames): readonly GateReason[] {
  const refs = members.map(({ host }) => host.ref)
  const meant: Meant = (peer, speaker) => names.resolve(peer, speaker, refs)
  const complaints = complaintsAboutPeers(members, meant)
  return members.flatMap(member => blocker(sr, member, complaints.get(member.host.ref) ?? [], meant) ?? [])
}

/** Refs of the members that a speaker may mean by a peer's name. */
type Meant = (peer: string, speaker: string) => readonly string[]

function blocker(sr: string, member: Member, aboutThis: readonly Said[], meant: Meant): GateReason | null {
  const { host, report } = member
  if (member.absence !== null) return member.absence
  if (report === null) return member.distrust
  if (report.state !== 'synced') return notSynced(sr, host, report, aboutThis, meant)
  const [first] = aboutThis
  if (first === undefined) return null
  const mirrors = [...new Set(aboutThis.map(({ complaint }) => complaint.mirror))]
  return gateReason('contradicted-by-peer', host.ref, sr, { peer: first.speaker.ref, mirrors })
}

/** What one member says of a mirror that it shares with another. */
interface Said {
  readonly speaker: HostSnapshot
  readonly complaint: Complaint
}

/**
 * Both sides of a mirror must say that it is in sync: a host may show UpToDate for both while its peer is stuck in a
 * bitmap exchange (LINBIT/drbd#142). By ref of the host that may be meant.
 *
 * Where no member is in sync nothing can be contradicted, and only `stand-alone` is of interest: with every mirror of
 * 64 hosts bad, finding out whom each reason means would take longer than all the rest.
 */
function complaintsAboutPeers(members: readonly Member[], meant: Meant): ReadonlyMap<string, readonly Said[]> {
  const anyInSync = members.some(({ report }) => report?.state === 'synced')
  const found = new Map<string, Said[]>()
  for (const { host: speaker, report } of members) {
    if (report === null) continue
    const { complaints, standAlone } = factsOf(report)
    for (const complaint of anyInSync ? complaints : standAlone) {
      for (const peer of meant(complaint.peer, speaker.ref)) {
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
  host: HostSnapshot,
  report: Report,
  aboutThis: readonly Said[],
  meant: Meant,
): GateReason {
  const mirrorReasons = withGivenUpPeers(host, report, aboutThis, meant)
  const operator = mirrorReasons === report.reasons ? factsOf(report).needsOperator : needsOperator(mirrorReasons)
  return gateReason('not-synced', host.ref, sr, {
    clearedBy: operator ? 'operator' : 'time',
    state: report.state,
    mirrorReasons,
    ...(report.reasonsOmitted === undefined ? {} : { mirrorReasonsOmitted: report.reasonsOmitted }),
  })
}

/** Connecting here will not end while the other side is StandAlone: it has stopped listening, until it is told. */
function withGivenUpPeers(
  host: HostSnapshot,
  { reasons }: Report,
  aboutThis: readonly Said[],
  meant: Meant,
): readonly ReportReason[] {
  const standAlone = aboutThis.filter(({ complaint }) => complaint.code === 'stand-alone')
  if (standAlone.length === 0) return reasons
  return reasons.map(reason => {
    const { code, mirror, peer } = reason
    if (code !== 'peer-not-connected' || peer === undefined) return reason
    const hasGivenUp = standAlone.some(
      ({ complaint, speaker }) => complaint.mirror === mirror && meant(peer, host.ref).includes(speaker.ref),
    )
    return hasGivenUp ? { ...reason, clearedBy: 'operator' as const, waitsFor: peer } : reason
  })
}
