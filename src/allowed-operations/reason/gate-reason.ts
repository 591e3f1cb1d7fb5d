import type { GateReasonDetails, GateReasonKind, GateRemedy, GateRemedyContext } from './gate-reason-kind.ts'
import { HOST_GATE_REASONS } from './host-gate-reasons.ts'
import { PLACEMENT_GATE_REASONS } from './placement-gate-reasons.ts'
import { REPORT_GATE_REASONS } from './report-gate-reasons.ts'

const KINDS = { ...HOST_GATE_REASONS, ...REPORT_GATE_REASONS, ...PLACEMENT_GATE_REASONS } as const

export type GateReasonCode = keyof typeof KINDS

/** Every reason for which the storage rule blocks. */
export const GATE_REASONS: { readonly [Code in GateReasonCode]: GateReasonKind } = KINDS

/** Why storage blocks a host operation. */
export interface GateReason extends GateReasonDetails {
  readonly code: GateReasonCode
}

/** A reason with its code's usual `clearedBy`, unless `details` says otherwise. */
export function gateReason(
  code: GateReasonCode,
  host: string,
  sr: string,
  details: Partial<Omit<GateReasonDetails, 'host' | 'sr'>> = {},
): GateReason {
  return { code, host, sr, clearedBy: GATE_REASONS[code].clearedBy, ...details }
}

/** The kind of a code of any version; `null`: this version does not know the code. */
export function gateKindOf(code: string): GateReasonKind | null {
  return isGateReasonCode(code) ? GATE_REASONS[code] : null
}

/** Narrows a code that came from another host, which may run another version of this program. */
export function isGateReasonCode(code: string): code is GateReasonCode {
  return Object.hasOwn(GATE_REASONS, code)
}

/** False only for warnings. A code that this version does not know blocks. */
export function isGateBlocking(code: string): boolean {
  return gateKindOf(code)?.isWarning !== true
}

export function gateRemedy(code: GateReasonCode, context: GateRemedyContext): GateRemedy {
  return GATE_REASONS[code].remedy(context)
}
