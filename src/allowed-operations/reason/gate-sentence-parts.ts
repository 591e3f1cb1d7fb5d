import { describe, isReasonCode } from '../../sync-query/reason/reason.ts'
import { clearing } from '../../sync-query/reason/sentence-parts.ts'
import type { ReportReason } from '../../sync-query/report/report.ts'
import type { NamedGateReason } from './gate-reason-kind.ts'

const MAX_NAMES = 3

export function mirrorNames({ mirrors: names, mirrorCount }: NamedGateReason): string {
  if (names === undefined || names.length === 0) return mirrorCount === undefined ? '' : `: ${mirrorCount} mirror(s)`
  return `: ${names.slice(0, MAX_NAMES).join(', ')}${more((mirrorCount ?? names.length) - Math.min(names.length, MAX_NAMES))}`
}

export function mirrorSentences({ host, mirrorReasons = [], mirrorReasonsOmitted = 0 }: NamedGateReason): string {
  if (mirrorReasons.length === 0) return ''
  const shown = mirrorReasons.slice(0, MAX_NAMES).map(each => mirrorSentence(each, host))
  return `: ${shown.join('; ')}${more(mirrorReasons.length - shown.length + mirrorReasonsOmitted)}`
}

function mirrorSentence(reason: ReportReason, host: string): string {
  const { code } = reason
  return isReasonCode(code) ? describe({ ...reason, code }, host) : `${reason.mirror}: ${code} ${clearing(reason)}`
}

function more(count: number): string {
  return count > 0 ? ` and ${count} more` : ''
}

/** ISO 8601. Never throws: dates end in the year 275760, an override may not. */
export function moment(milliseconds: number | undefined): string {
  const date = new Date(milliseconds ?? Number.NaN)
  return Number.isNaN(date.valueOf()) ? 'an unknown time' : date.toISOString()
}
