import type { MirrorListEntry, Report } from '../../sync-query/report/report.ts'
import { AGGREGATED_KEY, type GatePolicy } from '../pool/gate-policy.ts'
import { listedPeers } from '../pool/known-peers.ts'
import {
  type HostSnapshot,
  isGoingDown,
  type PbdSnapshot,
  type PoolSnapshot,
  type SrSnapshot,
} from '../pool/pool-snapshot.ts'
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

/** One member of a guarded SR at one moment. */
export interface SrMember {
  /** Ref of its PBD. */
  readonly pbd: string
  readonly host: HostSnapshot
  /** Set if the host is down or going down. */
  readonly absence: GateReason | null
  /** Set if its report is not valid. */
  readonly distrust: GateReason | null
  /** Its report, if it is valid. */
  readonly report: Report | null
  /** When it last confirmed its report; `null`: it has not reported. */
  readonly confirmedAtMs: number | null
  /**
   * The names of the peers that hold replicas of its mirrors, from its last known mirror list, which may be out of date.
   * `null`: it has sent no list, so its other replicas may be on any host.
   */
  readonly knownPeers: readonly string[] | null
  /** The same names as stored in the pool's database. */
  readonly storedPeers: readonly string[] | null
  /** The last moment at which its report is valid without a new confirmation; `Infinity` if it is not valid. */
  readonly countsUntilMs: number
}

/** An SR that the storage rule guards, with its members: the hosts that have a PBD for it, attached or not. */
export interface ObservedSr {
  readonly ref: string
  /** `null`: PBDs point at it, and it has no record. Its content is not known, so it is guarded. */
  readonly sr: SrSnapshot | null
  /** In the pool's order. */
  readonly members: readonly SrMember[]
  /** Refs of the PBDs by ref of the host, including hosts that have a PBD and no record. */
  readonly connected: ReadonlyMap<string, string>
}

const NOT_CONNECTED_TO_ANY: ReadonlyMap<string, string> = new Map()

/**
 * Evaluates every member of every guarded SR once. Both policies decide from the result. The SRs are in the pool's order,
 * followed by those without a record. A PBD of a host without a record makes no member: a forgotten host would block for ever,
 * and its replicas show in the reports of the hosts that shared them.
 *
 * @param known the remembered reports; by default only the reports of the snapshot
 */
export function observeSrs(
  pool: PoolSnapshot,
  policy: GatePolicy,
  now: number,
  known: KnownReports = knownReports(pool.reports, policy.leaseMs),
  connectedBySr: ConnectedHosts = connectedHosts(pool.pbds),
): readonly ObservedSr[] {
  const pbds = new Map(pool.pbds.map(pbd => [pbd.ref, pbd]))
  const observeSr = (ref: string, sr: SrSnapshot | null): ObservedSr => {
    const connected = connectedBySr.get(ref) ?? NOT_CONNECTED_TO_ANY
    const ofSr = known.get(ref)
    const members: SrMember[] = []
    for (const host of pool.hosts) {
      const pbd = pbds.get(connected.get(host.ref) ?? '')
      if (pbd === undefined) continue
      const seqs = pool.changedSeqs?.get(host.ref)
      const changedSeq = seqs?.bootId === host.bootId ? seqs?.bySr.get(sr?.uuid ?? '') : undefined
      members.push(observeMember({ pbd, host, sr: sr ?? { ref }, changedSeq }, ofSr?.get(host.ref), policy, now))
    }
    return { ref, sr, members, connected }
  }
  const recorded = new Set(pool.srs.map(sr => sr.ref))
  return [
    ...pool.srs.filter(sr => isAggregated(sr, policy)).map(sr => observeSr(sr.ref, sr)),
    ...[...connectedBySr.keys()].filter(ref => !recorded.has(ref)).map(ref => observeSr(ref, null)),
  ]
}

interface MemberRecords {
  readonly pbd: PbdSnapshot
  readonly host: HostSnapshot
  readonly sr: Pick<SrSnapshot, 'ref' | 'uuid'>
  readonly changedSeq: number | undefined
}

function observeMember(
  { pbd, host, sr, changedSeq }: MemberRecords,
  ofAllBoots: KnownReport | undefined,
  policy: GatePolicy,
  now: number,
): SrMember {
  const known = ofPresentBoot(ofAllBoots, host.bootId)
  const assessed = assessReport({ host, sr, changedSeq }, known, policy, now)
  const { report = null, distrust = null, countsUntilMs = Number.POSITIVE_INFINITY } = assessed
  const confirmedAtMs = known?.received.confirmedAtMs ?? null
  const storedPeers = pbd.knownPeers ?? null
  return {
    pbd: pbd.ref,
    host,
    absence: absenceReason(host, sr.ref),
    distrust,
    report,
    confirmedAtMs,
    knownPeers: peersIn(known?.readable?.report, { host, sr }) ?? storedPeers,
    storedPeers,
    countsUntilMs,
  }
}

/** Peers in the mirror list of a report, including one that is no longer valid: the last known places are better than none. */
function peersIn(report: Report | undefined, subject: Parameters<typeof isAbout>[1]): readonly string[] | null {
  if (report === undefined || !isAbout(report, subject)) return null
  const list = usableMirrorList(report)
  return list === undefined ? null : listedPeers(list)
}

/**
 * The mirror list of a report, unless its state is `unknown`. A host that cannot read its mirrors lists their last known state or
 * none, so after the end of its event stream the list would still show current replicas.
 */
export function usableMirrorList(report: Report | null): readonly MirrorListEntry[] | undefined {
  return report?.state === 'unknown' ? undefined : report?.mirrorList
}

function absenceReason(host: HostSnapshot, sr: string): GateReason | null {
  const code = absenceCode(host)
  if (code === null) return null
  // A host that has an order to reboot comes back by itself.
  return gateReason(code, host.ref, sr, code === 'host-not-live' && host.leaving ? { clearedBy: 'time' } : {})
}

/** The reason code of a host that is down or going down, or `null`. A host without a metrics row counts as not live. */
export function absenceCode(host: HostSnapshot) {
  const { live, leaving, toldTo, stillHere } = host
  if (leaving && live === true && stillHere === true) return 'told-to-go-and-still-here'
  if (leaving && toldTo === 'shutdown') return 'host-shut-down'
  if (live !== true) return 'host-not-live'
  if (isGoingDown(host)) return 'host-going-down'
  // After the end of the call the host stays live for ten seconds and the time of its shutdown (xapi_host.ml:888-932).
  return leaving ? 'host-leaving' : null
}
