import type { ClearedBy } from '../../sync-query/reason/reason.ts'
import { blocks, type MirrorListEntry, type ReportReason } from '../../sync-query/report/report.ts'
import { awaitsOperator } from './report-facts.ts'

/** How one member sees some mirrors. */
export interface MirrorView {
  readonly host: string
  readonly entry: MirrorListEntry
  /** Of the member's report: about these mirrors and others. */
  readonly reasons: readonly ReportReason[]
  /** Refs of the hosts that a replica may be on; `null` where nobody knows. */
  readonly sites: readonly {
    readonly replica: MirrorListEntry['replicas'][number]
    readonly hosts: readonly string[] | null
  }[]
}

/**
 * The member sees no current replica at all, as one whose disk is stuck and that has lost its peers: whoever leaves takes none
 * away from it, and what the others have only they can tell.
 */
export function seesNoneCurrent({ entry, sites }: MirrorView): boolean {
  return entry.state !== 'unknown' && !sites.some(({ replica }) => isCurrent(replica))
}

/** Other members that stay see a current replica that stays, of each of the mirrors that `view` is about. */
export function isCurrentElsewhere(view: MirrorView, views: readonly MirrorView[], gone: ReadonlySet<string>): boolean {
  const { mirrors = [], count } = view.entry
  if (mirrors.length < count) return false
  const witnesses = views.filter(other => {
    if (other.host === view.host || gone.has(other.host) || other.entry.state === 'unknown') return false
    return other.sites.some(
      ({ replica, hosts }) => isCurrent(replica) && hosts?.every(each => !gone.has(each)) === true,
    )
  })
  return mirrors.every(mirror => witnesses.some(({ entry }) => entry.mirrors?.includes(mirror) === true))
}

function isCurrent({ current, diskless }: MirrorView['sites'][number]['replica']): boolean {
  return current && diskless !== true
}

/**
 * What makes a loss go away that a departure would cause. Time does if something is on its way: a host that was told to go, a
 * resync, or a reason that says so itself. If nobody says so, nothing is.
 *
 * @param absences what is said of each host that is away
 */
export function lossClearedBy(
  { entry, reasons, sites }: MirrorView,
  absences: ReadonlyMap<string, ClearedBy>,
): ClearedBy {
  const isAnyAway = (clearedBy: ClearedBy) =>
    sites.some(({ hosts }) => hosts?.some(host => absences.get(host) === clearedBy))
  if (isAnyAway('operator')) return 'operator'
  if (isAnyAway('time')) return 'time'
  const said = reasons.filter(({ mirror }) => entry.mirrors?.includes(mirror) !== false)
  if (awaitsOperator(said)) return 'operator'
  return entry.state === 'resyncing' || said.some(blocks) ? 'time' : 'operator'
}
