import type { ClearedBy } from '../../sync-query/reason/reason-kind.ts'
import type { MirrorListEntry, Replica, ReportReason } from '../../sync-query/report/report.ts'
import type { GatePolicy } from '../pool/gate-policy.ts'
import { type GateReason, gateReason } from '../reason/gate-reason.ts'
import { isCurrentElsewhere, lossClearedBy, type MirrorView, seesNoneCurrent } from '../reports/mirror-views.ts'
import type { PeerNames } from '../reports/peer-names.ts'
import { conservativeReasons } from './conservative-rule.ts'
import { type ObservedSr, type SrMember, usableMirrorList } from './sr-members.ts'
import type { SrRule } from './sr-rule.ts'

/**
 * The placement rule, for sets of hosts as `ceph osd ok-to-stop` decides for sets of OSDs: each mirror must keep a current replica,
 * and its majority if it needs one, on the hosts that stay.
 *
 * The list of each member is evaluated separately, and all must agree: if two hosts see the same mirror differently, the worse view
 * decides. A live member without a valid report blocks every departure. If a member has no usable list, the conservative rule decides
 * for one host, and a set of several hosts is blocked.
 *
 * The rule also concerns hosts without a PBD, if they may have replicas. What such a host holds is known only from the lists of
 * others: two such hosts may share a mirror that no member lists. A host that is known to hold replicas, or may hold some because a
 * member has no usable list, must therefore report itself before it may go down.
 *
 * @param away refs of all hosts of the pool that are down or going down
 */
export function placementRule(
  { ref: sr, members, connected }: ObservedSr,
  names: PeerNames,
  away: ReadonlySet<string>,
  policy: GatePolicy,
): SrRule {
  const present = members.filter(member => member.absence === null)
  const refs = members.map(({ host }) => host.ref)
  const views: View[] = []
  const unlisted: GateReason[] = []
  for (const { host, report } of present) {
    const list = usableMirrorList(report)
    if (report === null || list === undefined) unlisted.push(gateReason('mirror-list-missing', host.ref, sr))
    else views.push(...list.map(entry => viewOf(host.ref, entry, report.reasons, names, refs, policy)))
  }
  const sites = views.flatMap(view => view.sites)
  const holders = new Set(sites.flatMap(({ hosts }) => hosts ?? []))
  const isAnyPeerUnknown = sites.some(({ hosts }) => hosts === null)
  const withoutList = members
    .filter(({ absence, report }) => absence !== null || usableMirrorList(report) === undefined)
    .map(member => ({ member, hosts: possibleHosts(member, names, refs, policy) }))
  const membersThatMayShareWith = (host: string) =>
    withoutList.flatMap(({ member, hosts }) => (hosts === null || hosts.has(host) ? member : []))
  const concerns = (host: string) =>
    connected.has(host) || holders.has(host) || isAnyPeerUnknown || membersThatMayShareWith(host).length > 0
  const absences = new Map<string, ClearedBy>()
  for (const { host, absence } of members) if (absence !== null) absences.set(host.ref, absence.clearedBy)
  const invalid = present.flatMap(({ distrust }) => distrust ?? [])
  if (invalid.length > 0) return { concerns, departure: () => invalid }
  // Each present member has a usable list, which contains every mirror that it takes away. Hosts without a PBD have none.
  const unreported = (leaving: ReadonlySet<string>): GateReason[] => {
    const withoutPbd = [...leaving].filter(host => !connected.has(host) && !away.has(host))
    return [
      ...Array.from(new Set(withoutPbd.flatMap(membersThatMayShareWith)), member => replicasUnknown(sr, member)),
      ...withoutPbd.filter(host => holders.has(host)).map(host => gateReason('holder-without-report', host, sr)),
    ]
  }
  if (unlisted.length > 0) {
    const conservative = conservativeReasons(sr, members, names)
    const reasons = [...conservative, ...unlisted]
    return {
      concerns,
      departure: leaving => (leaving.size > 1 || conservative.length > 0 ? reasons : unreported(leaving)),
    }
  }
  return {
    concerns,
    departure: leaving => {
      const gone = new Set([...away, ...leaving])
      return [
        ...unreported(leaving),
        ...views.flatMap(view => {
          if (!isTouched(view, leaving)) return []
          const isHarmless = seesNoneCurrent(view) && (!leaving.has(view.host) || isCurrentElsewhere(view, views, gone))
          const found = isHarmless ? null : lossReason(sr, view, gone)
          if (found === null) return []
          return found.code === 'peer-unknown' ? found : { ...found, clearedBy: lossClearedBy(view, absences) }
        }),
      ]
    },
  }
}

function replicasUnknown(sr: string, { host, absence }: SrMember): GateReason {
  if (absence === null) return gateReason('mirror-list-missing', host.ref, sr)
  return gateReason('replicas-unknown', host.ref, sr, { clearedBy: absence.clearedBy })
}

/** Refs of the hosts that may share mirrors with a member, from its last list; `null`: any host may. */
function possibleHosts(
  { host, knownPeers }: SrMember,
  names: PeerNames,
  members: readonly string[],
  { outsidePeers }: GatePolicy,
): ReadonlySet<string> | null {
  if (knownPeers === null) return null
  const hosts = new Set<string>()
  for (const peer of knownPeers) {
    const meant = names.resolve(peer, host.ref, members)
    if (meant.length === 0 && !outsidePeers.includes(peer)) return null
    for (const each of meant) hosts.add(each)
  }
  return hosts
}

/** Some mirrors as one member reports them, with the names of peers resolved. */
interface View extends MirrorView {
  readonly sites: readonly Site[]
}

interface Site {
  readonly replica: Replica
  /** Refs of the hosts that it may be on; empty for a machine outside the pool; `null`: not known. */
  readonly hosts: readonly string[] | null
}

function viewOf(
  host: string,
  entry: MirrorListEntry,
  reasons: readonly ReportReason[],
  names: PeerNames,
  members: readonly string[],
  policy: GatePolicy,
): View {
  const sites = entry.replicas.map(replica => {
    if (replica.peer === 'self') return { replica, hosts: [host] }
    const hosts = names.resolve(replica.peer, host, members)
    if (hosts.length > 0 || policy.outsidePeers.includes(replica.peer)) return { replica, hosts }
    return { replica, hosts: null }
  })
  return { host, entry, reasons, sites }
}

/** Whether a departure may take a replica away. A replica on an unknown host may be on any of those that leave. */
function isTouched({ entry, sites }: View, leaving: ReadonlySet<string>): boolean {
  return entry.count > 0 && sites.some(({ hosts }) => hosts === null || hosts.some(host => leaving.has(host)))
}

function lossReason(sr: string, { host, entry, sites }: View, gone: ReadonlySet<string>): GateReason | null {
  const staying = sites.filter(({ hosts }) => hosts?.every(each => !gone.has(each)))
  // In an unknown state no replica is known to be current.
  const current = entry.state !== 'unknown' && staying.some(({ replica }) => replica.current && !replica.diskless)
  if (current && (!entry.quorum || hasQuorum(sites, staying))) return null
  const details = {
    state: entry.state,
    mirrorCount: entry.count,
    ...(entry.mirrors === undefined ? {} : { mirrors: entry.mirrors }),
  }
  const unknownPeers = sites.flatMap(({ hosts, replica }) => (hosts === null ? replica.peer : []))
  if (unknownPeers.length > 0) return gateReason('peer-unknown', host, sr, { ...details, unknownPeers })
  return gateReason(current ? 'quorum-loss' : 'last-replica', host, sr, details)
}

/**
 * DRBD's majority: more than half of the replicas with a disk; at exactly half, more than half of the diskless ones decide
 * (drbd_state.c, calc_quorum). Only connected replicas count: in a chain of three whose ends have lost each other, the middle one
 * cannot go down although it sees both. In DRBD absent replicas known to be Outdated lose their vote; this function does not rely on
 * that, because it depends on how they leave.
 */
function hasQuorum(sites: readonly Site[], staying: readonly Site[]): boolean {
  const all = sites.filter(hasVote)
  const voting = staying.filter(hasVote).filter(({ replica }) => replica.peer === 'self' || replica.connected === true)
  const disks = 2 * withDisk(voting) - withDisk(all)
  const diskless = 2 * (voting.length - withDisk(voting)) - (all.length - withDisk(all))
  return disks > 0 || (disks === 0 && diskless > 0)
}

/** DRBD 9.3.1 ignores a diskless client with `tiebreaker no`, both present and missing. */
function hasVote({ replica }: Site): boolean {
  return replica.diskless !== true || replica.votes !== false
}

function withDisk(sites: readonly Site[]): number {
  return sites.filter(({ replica }) => replica.diskless !== true).length
}
