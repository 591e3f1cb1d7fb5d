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
 * The placement-aware rule, for sets of hosts as `ceph osd ok-to-stop` answers for sets of OSDs: a mirror must keep a
 * current replica, and its majority where it needs one, on the hosts that stay.
 *
 * Every member's list is asked on its own, and each must agree: where two hosts see the same mirror differently, the
 * worse view holds. A member that is up and whose report does not count makes every answer no. Without a list of each
 * member that can be believed the conservative rule answers, for one host; for several nothing can be said.
 *
 * It concerns hosts without a PBD as well, if they may have replicas. What such a host holds is known from the lists of others
 * only: two of them may share a mirror that no member lists. So a host that is known to hold replicas, or may do so because a
 * member has no list that counts, must report itself before it may go.
 *
 * @param away refs of all hosts of the pool that are down or about to go
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
  const unheard = members
    .filter(({ absence, report }) => absence !== null || usableMirrorList(report) === undefined)
    .map(member => ({ member, hosts: possibleHosts(member, names, refs, policy) }))
  const whoseReplicasItMayHave = (host: string) =>
    unheard.flatMap(({ member, hosts }) => (hosts === null || hosts.has(host) ? member : []))
  const concerns = (host: string) =>
    connected.has(host) || holders.has(host) || isAnyPeerUnknown || whoseReplicasItMayHave(host).length > 0
  const absences = new Map<string, ClearedBy>()
  for (const { host, absence } of members) if (absence !== null) absences.set(host.ref, absence.clearedBy)
  const distrusted = present.flatMap(({ distrust }) => distrust ?? [])
  if (distrusted.length > 0) return { concerns, departure: () => distrusted }
  // A member that is here has a list that counts, which names every mirror that it takes away. Others have none.
  const unreported = (leaving: ReadonlySet<string>): GateReason[] => {
    const silent = [...leaving].filter(host => !connected.has(host) && !away.has(host))
    return [
      ...Array.from(new Set(silent.flatMap(whoseReplicasItMayHave)), member => replicasUnknown(sr, member)),
      ...silent.filter(host => holders.has(host)).map(host => gateReason('holder-without-report', host, sr)),
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
          const found = isHarmless ? null : loss(sr, view, gone)
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

/** Refs of the hosts that may share mirrors with a member, by its last list; `null`: any host may. */
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

/** Some mirrors as one member sees them, with the names of peers resolved. */
interface View extends MirrorView {
  readonly sites: readonly Site[]
}

interface Site {
  readonly replica: Replica
  /** Refs of the hosts it may be on; none for a machine outside the pool, `null` where nobody knows. */
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

/** A replica that nobody knows may be on any of those that leave. */
function isTouched({ entry, sites }: View, leaving: ReadonlySet<string>): boolean {
  return entry.count > 0 && sites.some(({ hosts }) => hosts === null || hosts.some(host => leaving.has(host)))
}

function loss(sr: string, { host, entry, sites }: View, gone: ReadonlySet<string>): GateReason | null {
  const staying = sites.filter(({ hosts }) => hosts?.every(each => !gone.has(each)))
  // Of a mirror in an unknown state nothing is known to be current.
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
 * DRBD's majority: more than half of the replicas with a disk; at exactly half the diskless ones decide, by more than
 * half of theirs (drbd_state.c, calc_quorum). A replica votes for those that are connected to it: of a chain of three whose
 * ends have lost each other the middle cannot go, though it sees both. That absent replicas known to be Outdated lose their
 * vote there is not counted on here: it depends on how they leave.
 */
function hasQuorum(sites: readonly Site[], staying: readonly Site[]): boolean {
  const all = sites.filter(hasVote)
  const voting = staying.filter(hasVote).filter(({ replica }) => replica.peer === 'self' || replica.connected === true)
  const disks = 2 * withDisk(voting) - withDisk(all)
  const diskless = 2 * (voting.length - withDisk(voting)) - (all.length - withDisk(all))
  return disks > 0 || (disks === 0 && diskless > 0)
}

/** A diskless client with `tiebreaker no` is passed over there, both present and missing (DRBD 9.3.1). */
function hasVote({ replica }: Site): boolean {
  return replica.diskless !== true || replica.votes !== false
}

function withDisk(sites: readonly Site[]): number {
  return sites.filter(({ replica }) => replica.diskless !== true).length
}
