import type { ReportReason } from '../../sync-query/report/report.ts'
import type { SrMember } from '../rules/sr-members.ts'
import { factsOf, NOT_CONNECTED } from './report-facts.ts'

/** Far above DRBD's timeouts (`ping-int` 10 s and `ping-timeout`), and above the time that an eviction takes. */
const SETTLING_MS = 60_000

/**
 * Whether a host holds a replica that its peer no longer knows: an evicted host, or one on which a resource was deleted while it
 * was away. It still has the resource up and finds no peer; the peer has removed it from its configuration and from its kernel,
 * and so has nothing to report. If the peer still had the connection, it would be as unconnected there: both ends notice within
 * DRBD's timeouts. How long a connection has been missing is not known; the SR's state since when is, and counts if nothing moves.
 *
 * @param complaint what the report of `holder` says of a mirror that it shares with `peer`
 */
export function isLeftOver(
  complaint: Pick<ReportReason, 'code'>,
  holder: SrMember,
  peer: SrMember | undefined,
): boolean {
  if (!NOT_CONNECTED.has(complaint.code) || holder.report === null || holder.confirmedAtMs === null) return false
  if (peer?.report?.state !== 'synced' || peer.confirmedAtMs === null) return false
  const { madeAtMs, isAtRest } = factsOf(holder.report)
  if (!isAtRest) return false
  // By the clock of the holder, and so without a skew.
  const lastedMs = madeAtMs - Date.parse(holder.report.since)
  const sinceMs = holder.confirmedAtMs - lastedMs
  return lastedMs >= SETTLING_MS && peer.confirmedAtMs >= sinceMs + SETTLING_MS / 2
}

/** The reasons of a holder, with those that are about a left-over replica under a code of their own. */
export function markLeftOvers(
  reasons: readonly ReportReason[],
  holder: SrMember,
  peersOf: (name: string) => readonly (SrMember | undefined)[],
): readonly ReportReason[] {
  if (!reasons.some(({ code }) => NOT_CONNECTED.has(code))) return reasons
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
