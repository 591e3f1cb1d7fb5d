import type { Report } from './report.ts'
import { MAX_REPORT_BYTES, MAX_REPORT_REASONS } from './report-parse.ts'

/** What a report may take in `PBD.other_config`, in bytes of UTF-8: the pool's database is replicated as a whole. */
const MAX_STORED_REPORT_BYTES = 4096

/**
 * The report as it is stored: at most 4096 bytes of UTF-8. It goes without its mirror list, and its reasons are cut from
 * the end, with a count. The identifiers in a report are UUIDs; were they longer than the limit, the text would be too.
 */
export function encodeReport(report: Report): string {
  const { mirrorList: _, ...stored } = report
  return cutToSize(stored, MAX_STORED_REPORT_BYTES)
}

/**
 * The report as a poll is answered: at most 64 KiB, with its mirror list. A list that does not fit is left out as a
 * whole, for half a list would look like a host with fewer mirrors.
 */
export function encodePollAnswer(report: Report): string {
  const text = JSON.stringify(report)
  return Buffer.byteLength(text) <= MAX_REPORT_BYTES ? text : encodeReport(report)
}

/** The report with no more reasons than a reader takes, with a count of the others. */
export function withFewReasons(report: Report): Report {
  const surplus = report.reasons.length - MAX_REPORT_REASONS
  if (surplus <= 0) return report
  const reasonsOmitted = (report.reasonsOmitted ?? 0) + surplus
  return { ...report, reasons: report.reasons.slice(0, MAX_REPORT_REASONS), reasonsOmitted }
}

function cutToSize(report: Report, maxBytes: number): string {
  const whole = JSON.stringify(report)
  if (Buffer.byteLength(whole) <= maxBytes) return whole
  const omittedBefore = report.reasonsOmitted ?? 0
  const allOmitted = omittedBefore + report.reasons.length
  const bare = JSON.stringify({ ...report, reasons: [], reasonsOmitted: allOmitted })
  let bytes = Buffer.byteLength(bare)
  let kept = 0
  for (const reason of report.reasons) {
    bytes += Buffer.byteLength(JSON.stringify(reason)) + (kept === 0 ? 0 : 1)
    if (bytes > maxBytes) break
    kept += 1
  }
  return JSON.stringify({ ...report, reasons: report.reasons.slice(0, kept), reasonsOmitted: allOmitted - kept })
}
