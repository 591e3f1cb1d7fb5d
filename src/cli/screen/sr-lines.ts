import { formatBytes } from '../../platform/text/bytes.ts'
import { progressBar } from '../../platform/text/progress-bar.ts'
import { describe, isBlocking, isReasonCode } from '../../sync-query/reason/reason.ts'
import type { Report, ReportReason } from '../../sync-query/report/report.ts'
import { SYNC_STATES } from '../../sync-query/state.ts'
import { saySince } from './moment-words.ts'
import { type Paint, TONE_OF_STATE } from './paint.ts'
import { folded, shown } from './screen-text.ts'

export interface Page {
  readonly columns: number
  readonly paint: Paint
  /** Milliseconds since 1970. */
  readonly now: number
}

const MAX_REASONS = 5

/** How an SR is, as `status` tells it. */
export function srLines(report: Report, page: Page): string[] {
  const { sr, reasons, reasonsOmitted = 0, progress, etaSeconds } = report
  const told = reasons.slice(0, MAX_REASONS)
  const left = reasons.length - told.length + reasonsOmitted
  return [
    srHeadline(report, page),
    `  ${mirrorCounts(report)}`,
    ...(isCopying(report) ? [`  ${page.paint('moving', progressBar(progress, etaSeconds))}`] : []),
    ...told.flatMap(reason => folded(shown(sentence(reason)), 2, page.columns)),
    ...(left > 0 ? [`  and ${left} more: resync-monitor explain ${sr.slice(0, 8)}`] : []),
  ]
}

/** An SR that is degraded may resync all the same: whoever waits wants to know how far that is. */
export function isCopying({ state, progress }: Pick<Report, 'state' | 'progress'>): boolean {
  return state === 'resyncing' || (state === 'degraded' && progress !== null)
}

/** `SR 5c5c…  resyncing for 3 min`. */
function srHeadline({ sr, state, since }: Pick<Report, 'sr' | 'state' | 'since'>, { paint, now }: Page): string {
  return `SR ${shown(sr)}  ${paint(TONE_OF_STATE[state], state)} for ${saySince(since, now)}`
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

/** A reason in one sentence; a code of another version is told as it is. */
export function sentence(reason: ReportReason): string {
  const { code, mirror } = reason
  if (!isReasonCode(code)) return `${mirror}: ${code}`
  return `${isBlocking(code) ? '' : 'warning: '}${describe({ ...reason, code })}`
}
