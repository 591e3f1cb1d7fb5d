import type { Candidate } from '../reason/reason-kind.ts'
import type { MirrorListEntry, Report, ReportReason } from './report.ts'
import { REPORT_BOUNDS } from './report-bounds.ts'

/**
 * The report as it is stored: at most 4096 bytes of UTF-8, without its mirror list. Surplus reasons are cut from the end, with a count. The
 * size holds because the identifiers in a report are UUIDs.
 */
export function encodeReport(report: Report): string {
  const { mirrorList: _, ...stored } = boundedReport(report)
  return cutToSize(stored, REPORT_BOUNDS.storedBytes)
}

/**
 * The report as the answer to a poll: at most 64 KiB, with its mirror list. A list that does not fit is omitted completely, because half a
 * list would look like a host with fewer mirrors.
 */
export function encodePollAnswer(report: Report): string {
  const text = JSON.stringify(boundedReport(report))
  return Buffer.byteLength(text) <= REPORT_BOUNDS.answerBytes ? text : encodeReport(report)
}

/**
 * The report within `REPORT_BOUNDS`, so that every reader accepts it: a figure out of bounds becomes not known (`null`), a text is cut,
 * surplus reasons are counted.
 */
export function boundedReport(report: Report): Report {
  const { mirrorList, ...rest } = report
  const surplus = Math.max(0, report.reasons.length - REPORT_BOUNDS.reasons)
  const omitted = (report.reasonsOmitted ?? 0) + surplus
  const list = mirrorList === undefined ? null : boundedList(mirrorList)
  return {
    ...rest,
    outOfSyncBytes: figure(report.outOfSyncBytes, REPORT_BOUNDS.bytes),
    progress: figure(report.progress, 1),
    etaSeconds: figure(report.etaSeconds, REPORT_BOUNDS.etaSeconds),
    reasons: report.reasons.slice(0, REPORT_BOUNDS.reasons).map(boundedReason),
    ...(omitted === 0 ? {} : { reasonsOmitted: omitted }),
    ...(list === null ? {} : { mirrorList: list }),
  }
}

const TEXTS = ['code', 'mirror', 'peer', 'word', 'field', 'since', 'waitsFor'] as const

function boundedReason(reason: ReportReason): ReportReason {
  const bounded: { -readonly [Key in keyof ReportReason]: ReportReason[Key] } = { ...reason }
  for (const key of TEXTS) {
    const value = bounded[key]
    if (value !== undefined) bounded[key] = text(value)
  }
  if (figure(bounded.progress, 1) === null) delete bounded.progress
  if (figure(bounded.outOfSyncBytes, REPORT_BOUNDS.bytes) === null) delete bounded.outOfSyncBytes
  if (!Number.isSafeInteger(bounded.missing) || figure(bounded.missing, Number.MAX_SAFE_INTEGER) === null) {
    delete bounded.missing
  }
  if (bounded.candidates !== undefined) {
    bounded.candidates = bounded.candidates.slice(0, REPORT_BOUNDS.replicas).map(boundedCandidate)
  }
  return bounded
}

function boundedCandidate({ outOfSyncBytes, ...each }: Candidate): Candidate {
  const bytes = figure(outOfSyncBytes, REPORT_BOUNDS.bytes)
  return {
    ...each,
    peer: text(each.peer),
    word: text(each.word),
    ...(bytes === null ? {} : { outOfSyncBytes: bytes }),
  }
}

/** `null`: it does not fit. An incomplete list would look like a host with fewer mirrors. */
function boundedList(list: readonly MirrorListEntry[]): readonly MirrorListEntry[] | null {
  if (list.length > REPORT_BOUNDS.listEntries) return null
  if (list.some(({ replicas }) => replicas.length > REPORT_BOUNDS.replicas)) return null
  return list.map(entry => ({
    ...entry,
    ...(entry.mirrors === undefined ? {} : { mirrors: entry.mirrors.slice(0, REPORT_BOUNDS.listEntries).map(text) }),
    replicas: entry.replicas.map(replica => ({ ...replica, peer: text(replica.peer) })),
  }))
}

function figure(value: number | null | undefined, max: number): number | null {
  return value !== null && value !== undefined && value >= 0 && value <= max ? value : null
}

function text(value: string): string {
  return value.length <= REPORT_BOUNDS.textLength ? value : value.slice(0, REPORT_BOUNDS.textLength)
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
