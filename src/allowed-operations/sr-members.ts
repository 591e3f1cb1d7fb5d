import type { Report } from '../sync-query/report.ts'
import { AGGREGATED_KEY, type GatePolicy } from './gate-policy.ts'
import { type GateReason, gateReason } from './gate-reason.ts'
import type { HostSnapshot, PoolSnapshot, SrSnapshot } from './pool-snapshot.ts'
import { groupReports, type KnownReport, newestReport } from './report-order.ts'
import { hear } from './report-trust.ts'

/** An SR that the storage rule guards, and the hosts that have a PBD for it, attached or not, in the pool's order. */
export interface GuardedSr {
  readonly ref: string
  /** `null`: PBDs point at it and it has no record. What it holds is not known, so it is guarded. */
  readonly sr: SrSnapshot | null
  readonly members: readonly HostSnapshot[]
}

/**
 * The SRs to guard, in the pool's order, then those without a record. A PBD of a host without a record is left out: a
 * forgotten host would block for ever, and what it held shows in the reports of the hosts that shared it.
 */
export function guardedSrs(pool: PoolSnapshot, policy: GatePolicy): readonly GuardedSr[] {
  const hostsBySr = new Map<string, Set<string>>()
  for (const { host, sr } of pool.pbds) {
    const hosts = hostsBySr.get(sr)
    if (hosts === undefined) hostsBySr.set(sr, new Set([host]))
    else hosts.add(host)
  }
  const guard = (ref: string, sr: SrSnapshot | null): GuardedSr => {
    const refs = hostsBySr.get(ref)
    return { ref, sr, members: refs === undefined ? [] : pool.hosts.filter(host => refs.has(host.ref)) }
  }
  const recorded = new Set(pool.srs.map(sr => sr.ref))
  return [
    ...pool.srs.filter(sr => isAggregated(sr, policy)).map(sr => guard(sr.ref, sr)),
    ...[...hostsBySr.keys()].filter(ref => !recorded.has(ref)).map(ref => guard(ref, null)),
  ]
}

function isAggregated(sr: SrSnapshot, policy: GatePolicy): boolean {
  return (
    sr.clustered ||
    (sr.type !== undefined && policy.aggregatedSrTypes.includes(sr.type)) ||
    sr.otherConfig?.[AGGREGATED_KEY] === 'true'
  )
}

/** What is known of one member of a guarded SR at one moment. */
export interface Member {
  readonly host: HostSnapshot
  /** Its replicas are away or about to go. */
  readonly absence: GateReason | null
  /** Its report does not count. */
  readonly distrust: GateReason | null
  /** Its report, if it counts. */
  readonly report: Report | null
}

/** A guarded SR with what is known of each of its members, in their order. */
export interface ObservedSr extends Omit<GuardedSr, 'members'> {
  readonly members: readonly Member[]
}

/** Looks at every member of every guarded SR once; both policies decide from this. */
export function observeSrs(pool: PoolSnapshot, policy: GatePolicy, now: number): readonly ObservedSr[] {
  const bySr = groupReports(pool.reports)
  return guardedSrs(pool, policy).map(({ ref, sr, members }) => {
    const byHost = bySr.get(ref)
    const known = ({ ref: host }: HostSnapshot) => newestReport(byHost?.get(host))
    return { ref, sr, members: members.map(host => observe(host, sr ?? { ref }, known(host), policy, now)) }
  })
}

function observe(
  host: HostSnapshot,
  sr: Pick<SrSnapshot, 'ref' | 'uuid'>,
  known: KnownReport | undefined,
  policy: GatePolicy,
  now: number,
): Member {
  const { report = null, distrust = null } = hear({ host, sr }, known, policy, now)
  return { host, absence: absence(host, sr.ref), distrust, report }
}

/** Why the host's replicas are away or about to go, or `null`. Without a metrics row nobody can say that it is live. */
function absence(host: HostSnapshot, sr: string): GateReason | null {
  if (host.live !== true) {
    return gateReason('host-not-live', host.ref, sr, { clearedBy: host.leaving ? 'time' : 'operator' })
  }
  const goingDown = host.currentOperations.some(({ operation }) => operation === 'reboot' || operation === 'shutdown')
  if (goingDown) return gateReason('host-going-down', host.ref, sr)
  // After the call is over the host is live for ten seconds and its shutdown more (xapi_host.ml:888-932).
  return host.leaving ? gateReason('host-leaving', host.ref, sr) : null
}
