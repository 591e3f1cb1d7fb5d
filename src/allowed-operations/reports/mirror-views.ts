import { isBlocking } from '../../sync-query/reason/reason.ts'
import type { ClearedBy } from '../../sync-query/reason/reason-kind.ts'
import type { MirrorListEntry, ReportReason } from '../../sync-query/report/report.ts'
import { awaitsOperator } from './report-facts.ts'

/** Some mirrors as one member reports them. */
export interface MirrorView {
  readonly host: string
  readonly entry: MirrorListEntry
  /** All reasons of the member's report, about these mirrors and others. */
  readonly reasons: readonly ReportReason[]
  /** Refs of the hosts that a replica may be on; `null`: not known. */
  readonly sites: readonly {
    readonly replica: MirrorListEntry['replicas'][number]
    readonly hosts: readonly string[] | null
  }[]
}

/**
 * Whether the member sees no current replica at all, such as a member with a stuck disk and without connections. A departure then
 * takes no current replica away from its view, and only the other members know what they hold.
 */
export function seesNoneCurrent({ entry, sites }: MirrorView): boolean {
  return entry.state !== 'unknown' && !sites.some(({ replica }) => isCurrent(replica))
}

/** Whether, for each mirror of `view`, another member that stays sees a current replica on a host that stays. */
export function isCurrentElsewhere(view: MirrorView, views: readonly MirrorView[], gone: ReadonlySet<string>): boolean {
  const { mirrors = [], count } = view.entry
  if (mirrors.length < count) return false
  const observers = views.filter(other => {
    if (other.host === view.host || gone.has(other.host) || other.entry.state === 'unknown') return false
    return other.sites.some(
      ({ replica, hosts }) => isCurrent(replica) && hosts?.every(each => !gone.has(each)) === true,
    )
  })
  return mirrors.every(mirror => observers.some(({ entry }) => entry.mirrors?.includes(mirror) === true))
}

function isCurrent({ current, diskless }: MirrorView['sites'][number]['replica']): boolean {
  return current && diskless !== true
}

/**
 * What clears a loss that a departure would cause. It is `time` only if something is in progress: a host that is rebooting, a resync,
 * or a reason that clears by time.
 *
 * @param absences for each host that is down or going down, what brings it back
 */
export function lossClearedBy(
  { entry, reasons, sites }: MirrorView,
  absences: ReadonlyMap<string, ClearedBy>,
): ClearedBy {
  const isAnyAway = (clearedBy: ClearedBy) =>
    sites.some(({ hosts }) => hosts?.some(host => absences.get(host) === clearedBy))
  if (isAnyAway('operator')) return 'operator'
  if (isAnyAway('time')) return 'time'
  const ofMirrors = reasons.filter(({ mirror }) => entry.mirrors?.includes(mirror) !== false)
  if (awaitsOperator(ofMirrors)) return 'operator'
  return entry.state === 'resyncing' || ofMirrors.some(({ code }) => isBlocking(code)) ? 'time' : 'operator'
}
