import { isHeldBackByPeer } from '../../sync-query/reason/reason.ts'
import type { ReportReason } from '../../sync-query/report/report.ts'
import type { HostSnapshot } from '../pool/pool-snapshot.ts'
import type { Complaint } from './report-facts.ts'

/** What one member says of a mirror that it shares with another. */
export interface PeerComplaint {
  readonly speaker: HostSnapshot
  readonly complaint: Complaint
}

/** Refs of the members that a speaker may mean by a peer's name. */
export type ResolvePeer = (peer: string, speaker: string) => readonly string[]

/**
 * A host's reasons in the light of what their peers say of the same mirrors: of a connection each side sees its own half, and
 * which of them somebody has to see to may be told on the other one only. The same list if nothing is to be corrected.
 */
export function correctFromPeers(
  host: HostSnapshot,
  reasons: readonly ReportReason[],
  aboutThis: readonly PeerComplaint[],
  meant: ResolvePeer,
): readonly ReportReason[] {
  const telling = aboutThis.filter(({ complaint }) => TELLING.has(complaint.code))
  if (telling.length === 0) return reasons
  return reasons.map(reason => {
    const { mirror, peer } = reason
    if (peer === undefined) return reason
    const others = telling.filter(
      ({ complaint, speaker }) => complaint.mirror === mirror && meant(peer, host.ref).includes(speaker.ref),
    )
    return corrected(
      { ...reason, peer },
      others.map(({ complaint }) => complaint),
    )
  })
}

/** Codes of what an other side may say that changes what this side's reason means. */
const TELLING: ReadonlySet<string> = new Set(['stand-alone', 'resync-paused', 'resync-waiting'])

function corrected(reason: Complaint, others: readonly Complaint[]): ReportReason {
  const says = (code: string) => others.some(each => each.code === code)
  const byOperator = { ...reason, clearedBy: 'operator' as const, waitsFor: reason.peer }
  // Connecting here will not end while the other side is StandAlone: it has stopped listening, until it is told.
  if (reason.code === 'peer-not-connected') return says('stand-alone') ? byOperator : reason
  if (!isHeldBackByPeer(reason)) return reason
  // `resync-suspended:peer` here is `user` there: nothing but `resume-sync` on that side ends it.
  if (says('resync-paused')) return byOperator
  // It waits for its turn there, which this side cannot know and may have taken for a pause.
  const isTurn = others.some(
    each => each.code === 'resync-waiting' && each.clearedBy === 'time' && !isHeldBackByPeer(each),
  )
  if (!isTurn) return reason
  const { waitsFor: _, ...rest } = reason
  return { ...rest, clearedBy: 'time' }
}
