import type { Report } from '../../sync-query/report/report.ts'
import { sentence } from '../screen/sr-lines.ts'

/** The keys of an SR in `--json`. */
export function srDocument(report: Report): Readonly<Record<string, unknown>> {
  const { sr, state, since, mirrors, progress, etaSeconds, outOfSyncBytes, reasons, reasonsOmitted = 0 } = report
  return {
    sr,
    state,
    since,
    mirrors,
    progress,
    etaSeconds,
    outOfSyncBytes,
    reasons: reasons.map(reason => ({ ...reason, text: sentence(reason) })),
    reasonsOmitted,
  }
}
