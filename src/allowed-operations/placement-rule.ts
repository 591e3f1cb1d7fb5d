import type { ClearedBy } from '../sync-query/reason.ts'
import type { MirrorListEntry, Replica, Report } from '../sync-query/report.ts'
import { blockers } from './conservative-rule.ts'
import type { GatePolicy } from './gate-policy.ts'
import { type GateReason, gateReason } from './gate-reason.ts'
import type { Guard } from './guard.ts'
import { isCurrentElsewhere, lossClearedBy, type SeenMirrors, seesNoneCurrent } from './other-views.ts'
import type { PeerNames } from './peer-names.ts'
import type { ObservedSr } from './sr-members.ts'

/**
 * The placement-aware rule, for sets of hosts as `ceph osd ok-to-stop` answers for sets of OSDs: a mirror must keep a
 * current replica, and its majority where it needs one, on the hosts that stay.
 *
 * Every member's list is asked on its own, and each must agree: where two hosts see the same mirror differently, the
 * worse view holds. A member that is up and whose report does not count makes every answer no. Without a list of each
 * member that can be believed the conservative rule answers, for one host; for several nothing can be said.
 *
 * It concerns hosts without a PBD as well, if a member's list says that they have replicas: a storage node that nobody
 * plugged the SR on takes its replicas away like any other.
 *
 * @param away refs of all hosts of the pool that are down or about to go
 */
export function placementRule(
  { ref: sr, members, connected }: ObservedSr,
  names: PeerNames,
  away: ReadonlySet<string>,
  policy: GatePolicy,
): Guard {
  const present = members.filter(member => member.absence === null)
  const refs = members.map(({ host }) => host.ref)
  const views: View[] = []
  const unlisted: GateReason[] = []
  for (const { host, report } of present) {
    const list = believedList(report)
    if (list === undefined) unlisted.push(gateReason('mirror-list-missing', host.ref, sr))
    else views.push(...list.map(entry => viewOf(host.ref, entry, names, refs, policy)))
  }
  const absences = new Map<string, ClearedBy>()
  for (const { host, absence } of members) if (absence !== null) absences.set(host.ref, absence.clearedBy)
  const holders = new Set(views.flatMap(({ sites }) => sites.flatMap(({ hosts }) => hosts ?? [])))
  const concerns = (host: string) => connected.has(host) || holders.has(host)
  const distrusted = present.flatMap(({ distrust }) => distrust ?? [])
  if (distrusted.length > 0) return { concerns, departure: () => distrusted }
  if (unlisted.length > 0) {
    const conservative = blockers(sr, members, names)
    const reasons = [...conservative, ...unlisted]
    return { concerns, departure: leaving => (leaving.size > 1 || conservative.length > 0 ? reasons : []) }
  }
  return {
    concerns,
    departure: leaving => {
      const gone = new Set([...away, ...leaving])
      return views.flatMap(view => {
        if (!isTouched(view, leaving)) return []
        const isHarmless = seesNoneCurrent(view) && (!leaving.has(view.host) || isCurrentElsewhere(view, views, gone))
        const found = isHarmless ? null : loss(sr, view, gone)
        if (found === null) return []
        const report = members.find(({ host }) => host.ref === view.host)?.report ?? null
        return found.code === 'peer-unknown' ? found : { ...found, clearedBy: lossClearedBy(view, report, absences) }
      })
    },
  }
}

/**
 * A host that cannot see its mirrors lists them as it saw them last, or lists none: a stream of events that has ended would
 * else read as replicas that are current.
 */
function believedList(report: Report | null): readonly MirrorListEntry[] | undefined {
  return report?.state === 'unknown' ? undefined : report?.mirrorList
}

/** Some mirrors as one member sees them, with the names of peers resolved. */
interface View extends SeenMirrors {
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
  return { host, entry, sites }
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
function hasQuorum(all: readonly Site[], staying: readonly Site[]): boolean {
  const voting = staying.filter(({ replica }) => replica.peer === 'self' || replica.connected === true)
  const disks = 2 * withDisk(voting) - withDisk(all)
  const diskless = 2 * (voting.length - withDisk(voting)) - (all.length - withDisk(all))
  return disks > 0 || (disks === 0 && diskless > 0)
}

function withDisk(sites: readonly Site[]): number {
  return sites.filter(({ replica }) => replica.diskless !== true).length
}
