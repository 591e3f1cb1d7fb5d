import type { CanRebootAnswer, GateAnswer, GateReasonAnswer } from '../../agent-api/answers.ts'
import { isGateBlocking } from '../../allowed-operations/reason/gate-reason.ts'
import { isBlocking } from '../../sync-query/reason/reason.ts'
import type { Report } from '../../sync-query/report/report.ts'
import { nameOf } from '../ask/names.ts'
import { GateCorrections } from '../screen/gate-corrections.ts'
import { sentence } from '../screen/sr-lines.ts'
import { needsOperator, type OpenReason } from './needs-operator.ts'

/** The result of one poll of a wait. `wait --json` prints these keys, except `progressOf`. */
export interface WaitFacts {
  /** `reached`: the wait is over. */
  readonly state: 'reached' | 'waiting' | 'unknown'
  /** Waiting alone is not enough (needs-operator.ts). */
  readonly needsOperator: boolean
  /** Storage blocks for these reasons, and an override allows the host to go down. */
  readonly overridden: boolean
  /** Storage allows the host to go down, and the toolstack requires that it is disabled first. */
  readonly mustBeDisabled: boolean
  /** 0..1 */
  readonly progress: number | null
  /** Identifies the resyncs of the progress: while it stays the same, the progress on screen never goes back. Not printed. */
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

/** Whether all of these SRs of this host are in sync. @param gate the gate's last answer, which corrects reasons; `null`: none */
export function factsOfReports(reports: readonly Report[], gate: GateAnswer | null = null): WaitFacts {
  if (reports.length === 0) return unknownFacts('no-sr', 'this host watches no SR')
  const open = reports.filter(({ state }) => state !== 'synced')
  const reasons = open.flatMap(report => {
    const view = new GateCorrections(gate, report.host, report.sr)
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
    // The sizes of the SRs are not known here, so figures of several SRs cannot be added: the slowest SR counts.
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
    state: canReboot ? 'reached' : blocking.some(isUnknown) ? 'unknown' : 'waiting',
    needsOperator: !canReboot && needsOperator(blocking.flatMap(openReasonsOf)),
    mustBeDisabled: canReboot && hosts.some(({ enabled }) => enabled === true),
    overridden: canReboot && blocking.length + reasonsOmitted > 0,
    progress: canReboot ? null : progress,
    progressOf: blocking.map(({ host, sr, since }) => `${host.uuid} ${sr.uuid} ${since}`).join(),
    // If anything else blocks, the end of the resyncs is not the end of the wait.
    etaSeconds: canReboot || reasonsOmitted > 0 ? null : mostOf(blocking.map(({ etaSeconds = null }) => etaSeconds)),
    reasons:
      blocking.length === 0 && error !== null ? [reasonOfToolstack(error)] : operatorsFirst(blocking.map(reasonOfGate)),
    reasonsOmitted,
  }
}

/** An updater of an earlier version gives the progress of the mirrors only. */
function progressesOf({ progress, mirrorReasons = [] }: GateReasonAnswer): readonly number[] {
  return progress === undefined ? mirrorReasons.flatMap(each => each.progress ?? []) : [progress]
}

/** Nothing is known about the host's SR. A host that is down is known to be down. */
function isUnknown({ code, state }: GateReasonAnswer): boolean {
  return state === 'unknown' || NOT_HEARD.test(code)
}

const NOT_HEARD = /^(?:no-report|report-.+|lease-expired|mirror-list-missing|sr-missing)$/

function reasonOfGate({ code, clearedBy, text, host }: GateReasonAnswer): WaitReason {
  return { code, clearedBy, text: text === '' ? `${nameOf(host)}: ${code}` : text }
}

/** Another rule of the toolstack blocks, such as a running operation. */
function reasonOfToolstack([code = '', ...details]: readonly string[]): WaitReason {
  return { code, clearedBy: 'time', text: ['the toolstack answers', code, ...details].join(' ') }
}

/** The state could not be found out. */
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

/** The reasons of the host's mirrors if there are any, because each is cleared in its own way. */
function openReasonsOf(reason: GateReasonAnswer): readonly OpenReason[] {
  const ofMirrors = (reason.mirrorReasons ?? []).filter(({ code }) => isBlocking(code))
  // An answer about a large pool omits reasons; the gate's own `clearedBy` covers all of them.
  const coversAll = reason.clearedBy === 'time' || ofMirrors.some(({ clearedBy }) => clearedBy === 'operator')
  return ofMirrors.length > 0 && coversAll ? ofMirrors : [reason, ...ofMirrors]
}

/** Reasons that need an operator come first, also where only one reason is shown. */
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
