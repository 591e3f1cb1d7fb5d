import type { MirrorListEntry, Report } from '../../sync-query/report/report.ts'
import { AGGREGATED_KEY, type GatePolicy } from '../pool/gate-policy.ts'
import { listedPeers } from '../pool/known-peers.ts'
import type { HostSnapshot, PbdSnapshot, PoolSnapshot, SrSnapshot } from '../pool/pool-snapshot.ts'
import { type GateReason, gateReason } from '../reason/gate-reason.ts'
import { type KnownReport, type KnownReports, knownReports, ofPresentBoot } from '../reports/report-order.ts'
import { assessReport, isAbout } from '../reports/report-trust.ts'

/** Refs of the PBDs, attached or not: by ref of the SR, then by ref of the host. */
export type ConnectedHosts = ReadonlyMap<string, ReadonlyMap<string, string>>

export function connectedHosts(pbds: PoolSnapshot['pbds']): ConnectedHosts {
  const bySr = new Map<string, Map<string, string>>()
  for (const { ref, host, sr } of pbds) {
    const hosts = bySr.get(sr)
    if (hosts === undefined) bySr.set(sr, new Map([[host, ref]]))
    else hosts.set(host, ref)
  }
  return bySr
}

function isAggregated(sr: SrSnapshot, policy: GatePolicy): boolean {
  return (
    sr.clustered ||
    (sr.type !== undefined && policy.aggregatedSrTypes.includes(sr.type)) ||
    sr.otherConfig?.[AGGREGATED_KEY] === 'true'
  )
}

/** What is known of one member of a guarded SR at one moment. */
export interface SrMember {
  /** Ref of the PBD that makes it one. */
  readonly pbd: string
  readonly host: HostSnapshot
  /** Its replicas are away or about to go. */
  readonly absence: GateReason | null
  /** Its report does not count. */
  readonly distrust: GateReason | null
  /** Its report, if it counts. */
  readonly report: Report | null
  /** When it last confirmed what is known of it; `null`: it has said nothing. */
  readonly confirmedAtMs: number | null
  /**
   * The peers that hold replicas of its mirrors, from the last list that it is known to have sent, which may be out of date.
   * `null`: it has sent none, so its other replicas may be on any host.
   */
  readonly knownPeers: readonly string[] | null
  /** The same as the pool's database has it. */
  readonly storedPeers: readonly string[] | null
  /** The last moment at which it counts, if nothing is heard any more; `Infinity` where none does. */
  readonly countsUntilMs: number
}

/** An SR that the storage rule guards, with what is known of its members: the hosts that have a PBD for it, attached or not. */
export interface ObservedSr {
  readonly ref: string
  /** `null`: PBDs point at it and it has no record. What it holds is not known, so it is guarded. */
  readonly sr: SrSnapshot | null
  /** In the pool's order. */
  readonly members: readonly SrMember[]
  /** Refs of the PBDs by ref of the host: of the members, and of hosts that have a PBD and no record. */
  readonly connected: ReadonlyMap<string, string>
}

const NOBODY: ReadonlyMap<string, string> = new Map()

/**
 * Looks at every member of every guarded SR once; both policies decide from this. The SRs stand in the pool's order, then
 * those without a record. A PBD of a host without a record makes no member: a forgotten host would block for ever, and what
 * it held shows in the reports of the hosts that shared it.
 *
 * @param known what is remembered of the hosts; by default, what the reports of the snapshot say
 */
export function observeSrs(
  pool: PoolSnapshot,
  policy: GatePolicy,
  now: number,
  known: KnownReports = knownReports(pool.reports, policy.leaseMs),
  connectedBySr: ConnectedHosts = connectedHosts(pool.pbds),
): readonly ObservedSr[] {
  const pbds = new Map(pool.pbds.map(pbd => [pbd.ref, pbd]))
  const look = (ref: string, sr: SrSnapshot | null): ObservedSr => {
    const connected = connectedBySr.get(ref) ?? NOBODY
    const ofSr = known.get(ref)
    const members: SrMember[] = []
    for (const host of pool.hosts) {
      const pbd = pbds.get(connected.get(host.ref) ?? '')
      if (pbd === undefined) continue
      const said = pool.changedSeqs?.get(host.ref)
      const changedSeq = said?.bootId === host.bootId ? said?.bySr.get(sr?.uuid ?? '') : undefined
      members.push(observe({ pbd, host, sr: sr ?? { ref }, changedSeq }, ofSr?.get(host.ref), policy, now))
    }
    return { ref, sr, members, connected }
  }
  const recorded = new Set(pool.srs.map(sr => sr.ref))
  return [
    ...pool.srs.filter(sr => isAggregated(sr, policy)).map(sr => look(sr.ref, sr)),
    ...[...connectedBySr.keys()].filter(ref => !recorded.has(ref)).map(ref => look(ref, null)),
  ]
}

interface Observed {
  readonly pbd: PbdSnapshot
  readonly host: HostSnapshot
  readonly sr: Pick<SrSnapshot, 'ref' | 'uuid'>
  readonly changedSeq: number | undefined
}

function observe(
  { pbd, host, sr, changedSeq }: Observed,
  ofAllBoots: KnownReport | undefined,
  policy: GatePolicy,
  now: number,
): SrMember {
  const known = ofPresentBoot(ofAllBoots, host.bootId)
  const heard = assessReport({ host, sr, changedSeq }, known, policy, now)
  const { report = null, distrust = null, countsUntilMs = Number.POSITIVE_INFINITY } = heard
  const confirmedAtMs = known?.received.confirmedAtMs ?? null
  const storedPeers = pbd.knownPeers ?? null
  return {
    pbd: pbd.ref,
    host,
    absence: absence(host, sr.ref),
    distrust,
    report,
    confirmedAtMs,
    knownPeers: peersIn(known?.readable?.report, { host, sr }) ?? storedPeers,
    storedPeers,
    countsUntilMs,
  }
}

/** Also of a report that is too old to count: where its replicas were last is more than nothing. */
function peersIn(report: Report | undefined, subject: Parameters<typeof isAbout>[1]): readonly string[] | null {
  if (report === undefined || !isAbout(report, subject)) return null
  const list = usableMirrorList(report)
  return list === undefined ? null : listedPeers(list)
}

/**
 * A host that cannot see its mirrors lists them as it saw them last, or lists none: a stream of events that has ended would
 * else read as replicas that are current.
 */
export function usableMirrorList(report: Report | null): readonly MirrorListEntry[] | undefined {
  return report?.state === 'unknown' ? undefined : report?.mirrorList
}

function absence(host: HostSnapshot, sr: string): GateReason | null {
  const code = absenceCode(host)
  if (code === null) return null
  // A host that has an order to reboot comes back by itself.
  return gateReason(code, host.ref, sr, code === 'host-not-live' && host.leaving ? { clearedBy: 'time' } : {})
}

/** Why a host's replicas are away or about to go, or `null`. Without a metrics row nobody can say that it is live. */
export function absenceCode({ live, currentOperations, leaving, toldTo, stillHere }: HostSnapshot) {
  if (leaving && live === true && stillHere === true) return 'told-to-go-and-still-here'
  if (leaving && toldTo === 'shutdown') return 'host-shut-down'
  if (live !== true) return 'host-not-live'
  const goingDown = currentOperations.some(({ operation }) => operation === 'reboot' || operation === 'shutdown')
  if (goingDown) return 'host-going-down'
  // After the call is over the host is live for ten seconds and its shutdown more (xapi_host.ml:888-932).
  return leaving ? 'host-leaving' : null
}
