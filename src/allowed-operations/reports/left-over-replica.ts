import type { ReportReason } from '../../sync-query/report/report.ts'
import type { SrMember } from '../rules/sr-members.ts'
import { factsOf, isDisconnected } from './report-facts.ts'

/** Far above DRBD's timeouts (`ping-int` 10 s and `ping-timeout`), and above the duration of an eviction. */
const SETTLING_MS = 60_000

/**
 * Whether a host holds a replica that its peer no longer knows: the host was evicted, or the resource was deleted while the host was
 * away. The host still has the resource up and finds no peer. The peer removed it from its configuration and its kernel, so it has
 * nothing to report. A peer that still had the connection would report it as unconnected too, because both ends notice within
 * DRBD's timeouts. The report does not state how long a connection has been missing; the SR's `since` stands for it if nothing moves.
 *
 * @param complaint the reason in the report of `holder` about a mirror that it shares with `peer`
 */
export function isLeftOver(
  complaint: Pick<ReportReason, 'code'>,
  holder: SrMember,
  peer: SrMember | undefined,
): boolean {
  if (!isDisconnected(complaint.code) || holder.report === null || holder.confirmedAtMs === null) return false
  if (peer?.report?.state !== 'synced' || peer.confirmedAtMs === null) return false
  const { madeAtMs, isAtRest } = factsOf(holder.report)
  if (!isAtRest) return false
  // Both moments are on the clock of the holder, so there is no skew.
  const lastedMs = madeAtMs - Date.parse(holder.report.since)
  const sinceMs = holder.confirmedAtMs - lastedMs
  return lastedMs >= SETTLING_MS && peer.confirmedAtMs >= sinceMs + SETTLING_MS / 2
}

/**
 * The reasons of a holder, in which those about a left-over replica have the code `left-over-replica`.
 * @param reasons those of the holder's report, possibly corrected from its peers
 */
export function markLeftOvers(
  reasons: readonly ReportReason[],
  holder: SrMember,
  peersOf: (name: string) => readonly (SrMember | undefined)[],
): readonly ReportReason[] {
  if (holder.report === null || !factsOf(holder.report).isAnyDisconnected) return reasons
  let isChanged = false
  const changed = reasons.map((reason): ReportReason => {
    const { mirror, peer } = reason
    if (peer === undefined) return reason
    const [found, ...others] = peersOf(peer)
    if (others.length > 0 || !isLeftOver(reason, holder, found)) return reason
    isChanged = true
    return { code: 'left-over-replica', mirror, peer, clearedBy: 'operator' }
  })
  return isChanged ? changed : reasons
}
