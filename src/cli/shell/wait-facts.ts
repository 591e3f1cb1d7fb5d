import { isBlocking } from '../../sync-query/reason.ts'
import { isReasonCode, type Report, type ReportReason } from '../../sync-query/report.ts'
import type { CanRebootAnswer, GateReasonAnswer } from '../../volume-plugin/agent-protocol.ts'
import { nameOf } from './cause.ts'
import { sentence } from './sr-lines.ts'

/** What one look says to somebody who waits. These are keys that `wait --json` prints. */
export interface WaitFacts {
  /** `reached`: what is waited for has come. */
  readonly state: 'reached' | 'waiting' | 'unknown'
  /** Something blocks that an operator must clear, and nothing that time clears. */
  readonly needsOperator: boolean
  /** 0..1 */
  readonly progress: number | null
  readonly etaSeconds: number | null
  readonly reasons: readonly WaitReason[]
  readonly reasonsOmitted: number
}

interface WaitReason {
  readonly code: string
  readonly clearedBy: 'time' | 'operator'
  readonly text: string
}

/** Whether all of these SRs of this host are in sync. */
export function factsOfReports(reports: readonly Report[]): WaitFacts {
  if (reports.length === 0) return unknownFacts('no-sr', 'this host watches no SR')
  const open = reports.filter(({ state }) => state !== 'synced')
  const reasons = open.flatMap(report => report.reasons.filter(blocks))
  const omitted = open.reduce((sum, { reasonsOmitted = 0 }) => sum + reasonsOmitted, 0)
  const resyncing = open.filter(({ state }) => state === 'resyncing')
  const [only] = resyncing
  return {
    state: open.length === 0 ? 'reached' : open.some(({ state }) => state === 'unknown') ? 'unknown' : 'waiting',
    needsOperator: onlyOperator(reasons, omitted),
    // Of several SRs the figures cannot be added: their sizes are not known here. The slowest tells the most.
    progress: resyncing.length > 1 ? leastOf(resyncing.map(({ progress }) => progress)) : (only?.progress ?? null),
    etaSeconds:
      resyncing.length > 1 ? mostOf(resyncing.map(({ etaSeconds }) => etaSeconds)) : (only?.etaSeconds ?? null),
    reasons: reasons.map(reason => ({ code: reason.code, clearedBy: reason.clearedBy, text: sentence(reason) })),
    reasonsOmitted: omitted,
  }
}

/** Whether the hosts may be down. */
export function factsOfGate({ canReboot, error, reasons, reasonsOmitted = 0 }: CanRebootAnswer): WaitFacts {
  const ends = reasons.flatMap(endsOf)
  const omitted = reasons.reduce((sum, { mirrorReasonsOmitted = 0 }) => sum + mirrorReasonsOmitted, reasonsOmitted)
  const progress = leastOf(
    reasons.flatMap(({ mirrorReasons = [] }) => mirrorReasons).flatMap(each => each.progress ?? []),
  )
  return {
    state: canReboot ? 'reached' : 'waiting',
    needsOperator: !canReboot && onlyOperator(ends, omitted),
    progress: canReboot ? null : progress,
    etaSeconds: null,
    reasons: reasons.length === 0 && error !== null ? [toldByToolstack(error)] : reasons.map(toldByGate),
    reasonsOmitted,
  }
}

function toldByGate({ code, clearedBy, text, host }: GateReasonAnswer): WaitReason {
  return { code, clearedBy, text: text === '' ? `${nameOf(host)}: ${code}` : text }
}

/** An ordinary rule of the toolstack holds it back, such as another operation that runs. */
function toldByToolstack([code = '', ...details]: readonly string[]): WaitReason {
  return { code, clearedBy: 'time', text: ['the toolstack says', code, ...details].join(' ') }
}

/** It could not be found out. */
export function unknownFacts(code: string, text: string): WaitFacts {
  const reasons = [{ code, clearedBy: 'time', text }] as const
  return { state: 'unknown', needsOperator: false, progress: null, etaSeconds: null, reasons, reasonsOmitted: 0 }
}

/** What a host says of its mirrors, where it has said it: each has its own way to be cleared. */
function endsOf(reason: GateReasonAnswer): readonly Pick<ReportReason, 'clearedBy'>[] {
  const ofMirrors = (reason.mirrorReasons ?? []).filter(blocks)
  return ofMirrors.length > 0 ? ofMirrors : [reason]
}

/** What is not told might be cleared by time. */
function onlyOperator(reasons: readonly Pick<ReportReason, 'clearedBy'>[], omitted: number): boolean {
  return omitted === 0 && reasons.length > 0 && reasons.every(({ clearedBy }) => clearedBy === 'operator')
}

function blocks({ code }: ReportReason): boolean {
  return !isReasonCode(code) || isBlocking(code)
}

function leastOf(figures: readonly (number | null)[]): number | null {
  const known = figures.filter(figure => figure !== null)
  return known.length === figures.length && known.length > 0 ? Math.min(...known) : null
}

function mostOf(figures: readonly (number | null)[]): number | null {
  const known = figures.filter(figure => figure !== null)
  return known.length === figures.length && known.length > 0 ? Math.max(...known) : null
}
