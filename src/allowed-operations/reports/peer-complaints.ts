import { kindOf } from '../../sync-query/reason/reason.ts'
import { isHeldBackByPeer } from '../../sync-query/reason/resync-waiting.ts'
import type { ReportReason } from '../../sync-query/report/report.ts'
import type { HostSnapshot } from '../pool/pool-snapshot.ts'
import type { Complaint } from './report-facts.ts'

/** A blocking reason of one member about a mirror that it shares with another. */
export interface PeerComplaint {
  readonly reporter: HostSnapshot
  readonly complaint: Complaint
}

/** Refs of the members that a reporting host may mean by a peer's name. */
export type ResolvePeer = (peer: string, reporter: string) => readonly string[]

/**
 * Corrects the reasons of a host with those of its peers for the same mirrors. Each side sees only its half of a connection, and the
 * cause that needs an operator may be visible only on the other side. Returns the same list if there is nothing to correct.
 */
export function correctFromPeers(
  host: HostSnapshot,
  reasons: readonly ReportReason[],
  aboutThis: readonly PeerComplaint[],
  resolve: ResolvePeer,
): readonly ReportReason[] {
  const correcting = aboutThis.filter(({ complaint }) => kindOf(complaint.code)?.correctsPeer === true)
  if (correcting.length === 0) return reasons
  return reasons.map(reason => {
    const { mirror, peer } = reason
    if (peer === undefined) return reason
    const others = correcting.filter(
      ({ complaint, reporter }) => complaint.mirror === mirror && resolve(peer, host.ref).includes(reporter.ref),
    )
    return corrected(
      { ...reason, peer },
      others.map(({ complaint }) => complaint),
    )
  })
}

function corrected(reason: Complaint, others: readonly Complaint[]): ReportReason {
  const reports = (code: string) => others.some(each => each.code === code)
  const byOperator = { ...reason, clearedBy: 'operator' as const, waitsFor: reason.peer }
  // Connecting here does not end while the other side is StandAlone: it does not listen until an operator connects it.
  if (reason.code === 'peer-not-connected') return reports('stand-alone') ? byOperator : reason
  if (!isHeldBackByPeer(reason)) return reason
  // `resync-suspended:peer` here is `user` there: only `resume-sync` on that side ends it.
  if (reports('resync-paused')) return byOperator
  // The resync waits for its turn there. This side cannot see that and may report a pause.
  const isTurn = others.some(
    each => each.code === 'resync-waiting' && each.clearedBy === 'time' && !isHeldBackByPeer(each),
  )
  if (!isTurn) return reason
  const { waitsFor: _, ...rest } = reason
  return { ...rest, clearedBy: 'time' }
}
