import type { CanRebootAnswer, GateAnswer, GateReasonAnswer } from '../../agent-api/answers.ts'
import { isGateBlocking } from '../../allowed-operations/reason/gate-reason.ts'
import { isBlocking } from '../../sync-query/reason/reason.ts'
import type { Report } from '../../sync-query/report/report.ts'
import { nameOf } from '../screen/cause.ts'
import { GateView } from '../screen/gate-view.ts'
import { needsOperator, type Standing } from '../screen/needs-operator.ts'
import { sentence } from '../screen/sr-lines.ts'

/** What one look says to somebody who waits. These are keys that `wait --json` prints, all but one. */
export interface WaitFacts {
  /** `reached`: what is waited for has come. */
  readonly state: 'reached' | 'waiting' | 'unknown'
  /** Waiting alone will not do: `needsOperator` says when. */
  readonly needsOperator: boolean
  /** Storage says no, for these reasons, and an override lets the host go nevertheless. */
  readonly overridden: boolean
  /** The host may go as far as storage is concerned, and the toolstack wants it disabled first. */
  readonly mustBeDisabled: boolean
  /** 0..1 */
  readonly progress: number | null
  /** Which resyncs the progress is of: while these are the same it does not go back on screen. Not printed. */
  readonly progressOf: string
  readonly etaSeconds: number | null
  readonly reasons: readonly WaitReason[]
  readonly reasonsOmitted: number
}

interface WaitReason {
  readonly code: string
  readonly clearedBy: 'time' | 'operator'
  readonly text: string
}

/** Whether all of these SRs of this host are in sync. @param gate what it said last of their other halves, where it was heard */
export function factsOfReports(reports: readonly Report[], gate: GateAnswer | null = null): WaitFacts {
  if (reports.length === 0) return unknownFacts('no-sr', 'this host watches no SR')
  const open = reports.filter(({ state }) => state !== 'synced')
  const reasons = open.flatMap(report => {
    const view = new GateView(gate, report.host, report.sr)
    return report.reasons.filter(({ code }) => isBlocking(code)).map(each => view.of(each))
  })
  const omitted = open.reduce((sum, { reasonsOmitted = 0 }) => sum + reasonsOmitted, 0)
  const resyncing = open.filter(({ state }) => state === 'resyncing')
  const [only] = resyncing
  return {
    state: open.length === 0 ? 'reached' : open.some(({ state }) => state === 'unknown') ? 'unknown' : 'waiting',
    needsOperator: needsOperator(
      reasons,
      open.some(({ mirrors }) => mirrors.resyncing > 0),
    ),
    overridden: false,
    mustBeDisabled: false,
    // Of several SRs the figures cannot be added: their sizes are not known here. The slowest tells the most.
    progress: resyncing.length > 1 ? leastOf(resyncing.map(({ progress }) => progress)) : (only?.progress ?? null),
    progressOf: resyncing.map(({ sr, since }) => `${sr} ${since}`).join(),
    etaSeconds:
      resyncing.length > 1 ? mostOf(resyncing.map(({ etaSeconds }) => etaSeconds)) : (only?.etaSeconds ?? null),
    reasons: operatorsFirst(
      reasons.map(reason => ({ code: reason.code, clearedBy: reason.clearedBy, text: sentence(reason) })),
    ),
    reasonsOmitted: omitted,
  }
}

/** Whether the hosts may be down. */
export function factsOfGate({ canReboot, hosts, error, reasons, reasonsOmitted = 0 }: CanRebootAnswer): WaitFacts {
  const blocking = reasons.filter(({ code }) => isGateBlocking(code))
  const progress = leastOf(blocking.flatMap(progressesOf))
  return {
    state: canReboot ? 'reached' : blocking.some(saysNothing) ? 'unknown' : 'waiting',
    needsOperator: !canReboot && needsOperator(blocking.flatMap(standingsOf)),
    mustBeDisabled: canReboot && hosts.some(({ enabled }) => enabled === true),
    overridden: canReboot && blocking.length + reasonsOmitted > 0,
    progress: canReboot ? null : progress,
    progressOf: blocking.map(({ host, sr, since }) => `${host.uuid} ${sr.uuid} ${since}`).join(),
    // Where anything else blocks the end of the resyncs is not the end of the wait.
    etaSeconds: canReboot || reasonsOmitted > 0 ? null : mostOf(blocking.map(({ etaSeconds = null }) => etaSeconds)),
    reasons:
      blocking.length === 0 && error !== null ? [toldByToolstack(error)] : operatorsFirst(blocking.map(toldByGate)),
    reasonsOmitted,
  }
}

/** An updater of an earlier version tells of the mirrors' progress only. */
function progressesOf({ progress, mirrorReasons = [] }: GateReasonAnswer): readonly number[] {
  return progress === undefined ? mirrorReasons.flatMap(each => each.progress ?? []) : [progress]
}

/** Of its host nobody can say whether it is in sync. One that is down is known to be down. */
function saysNothing({ code, state }: GateReasonAnswer): boolean {
  return state === 'unknown' || NOT_HEARD.test(code)
}

const NOT_HEARD = /^(?:no-report|report-.+|lease-expired|mirror-list-missing|sr-missing)$/

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
  return {
    state: 'unknown',
    needsOperator: false,
    overridden: false,
    mustBeDisabled: false,
    progress: null,
    progressOf: '',
    etaSeconds: null,
    reasons,
    reasonsOmitted: 0,
  }
}

/** What a host says of its mirrors, where it has said it: each has its own way to be cleared. */
function standingsOf(reason: GateReasonAnswer): readonly Standing[] {
  const ofMirrors = (reason.mirrorReasons ?? []).filter(({ code }) => isBlocking(code))
  // Of a large pool not all is told; the gate itself has looked at all of it.
  const isTold = reason.clearedBy === 'time' || ofMirrors.some(({ clearedBy }) => clearedBy === 'operator')
  return ofMirrors.length > 0 && isTold ? ofMirrors : [reason, ...ofMirrors]
}

/** What somebody has to see to is told first, and kept where only one is told. */
function operatorsFirst(reasons: readonly WaitReason[]): readonly WaitReason[] {
  const rank = ({ clearedBy }: WaitReason) => (clearedBy === 'operator' ? 0 : 1)
  return reasons.toSorted((a, b) => rank(a) - rank(b))
}

function leastOf(figures: readonly (number | null)[]): number | null {
  const known = figures.filter(figure => figure !== null)
  return known.length === figures.length && known.length > 0 ? Math.min(...known) : null
}

function mostOf(figures: readonly (number | null)[]): number | null {
  const known = figures.filter(figure => figure !== null)
  return known.length === figures.length && known.length > 0 ? Math.max(...known) : null
}
