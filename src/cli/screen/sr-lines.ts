import type { Named } from '../../agent-api/answers.ts'
import { formatBytes } from '../../platform/text/bytes.ts'
import { progressBar } from '../../platform/text/progress-bar.ts'
import { describe, isBlocking, isReasonCode } from '../../sync-query/reason/reason.ts'
import type { Report, ReportReason } from '../../sync-query/report/report.ts'
import { SYNC_STATES } from '../../sync-query/state.ts'
import { labelOf } from '../ask/names.ts'
import type { SrOverview } from '../ask/overview.ts'
import type { Cause } from './cause.ts'
import { formatSince } from './moments.ts'
import { type Paint, TONE_OF_STATE } from './paint.ts'
import { rootCauses } from './root-causes.ts'
import { escaped, folded } from './screen-text.ts'

export interface Page {
  readonly columns: number
  readonly paint: Paint
  /** Milliseconds since 1970. */
  readonly now: number
}

const MAX_ROOT_CAUSES = 5

/** One SR as `status` prints it. @param causes the reasons of its mirrors, for the root causes */
export function srLines({ report, mirrors }: SrOverview, sr: Named, causes: readonly Cause[], page: Page): string[] {
  const titles = rootCauses(causes).map(({ title, blocking }) => `${blocking ? '' : 'warning: '}${title}`)
  const first = titles.slice(0, MAX_ROOT_CAUSES)
  const left = titles.length - first.length + mirrors.omitted
  const { progress, etaSeconds } = report
  return [
    srHeadline(report, sr, page),
    `  ${mirrorCounts(report)}`,
    ...(isCopying(report) ? [`  ${page.paint('moving', progressBar(progress, etaSeconds))}`] : []),
    ...first.flatMap(title => folded(escaped(title), 2, page.columns)),
    ...(left > 0 ? [`  and ${left} more: resync-monitor explain ${report.sr.slice(0, 8)}`] : []),
  ]
}

/** Whether the progress is of interest: a degraded SR may resync, too. */
export function isCopying({ state, progress }: Pick<Report, 'state' | 'progress'>): boolean {
  return state === 'resyncing' || (state === 'degraded' && progress !== null)
}

/** `SR mirrored (5c5c5c5c…)  resyncing for 3 min`. */
function srHeadline({ state, since }: Report, sr: Named, { paint, now }: Page): string {
  return `SR ${escaped(labelOf(sr))}  ${paint(TONE_OF_STATE[state], state)} for ${formatSince(since, now)}`
}

/** `12 mirrors: 9 synced, 3 resyncing; 32.0 MiB out of sync`. */
export function mirrorCounts({ mirrors, outOfSyncBytes }: Pick<Report, 'mirrors' | 'outOfSyncBytes'>): string {
  const all = SYNC_STATES.reduce((sum, state) => sum + mirrors[state], 0)
  if (all === 0) return 'no mirrors'
  const counts = SYNC_STATES.toReversed()
    .filter(state => mirrors[state] > 0)
    .map(state => `${mirrors[state]} ${state}`)
  const amount = outOfSyncBytes === null || outOfSyncBytes === 0 ? '' : `; ${formatBytes(outOfSyncBytes)} out of sync`
  return `${all === 1 ? '1 mirror' : `${all} mirrors`}: ${counts.join(', ')}${amount}`
}

/** A reason as one sentence; a code of another version as it is. */
export function sentence(reason: ReportReason): string {
  const { code, mirror } = reason
  if (!isReasonCode(code)) return `${mirror}: ${code}`
  return `${isBlocking(code) ? '' : 'warning: '}${describe({ ...reason, code })}`
}
