import type { SyncState } from '../state.ts'
import { ARRAY_REASONS } from './array-reasons.ts'
import { CONNECTION_REASONS } from './connection-reasons.ts'
import { DIFFERENCE_REASONS } from './difference-reasons.ts'
import { DISK_REASONS } from './disk-reasons.ts'
import type { ClearedBy, ReasonDetails, ReasonKind, Remedy } from './reason-kind.ts'
import { remedyContext } from './remedy-context.ts'
import { RESYNC_REASONS } from './resync-reasons.ts'
import { clearing } from './sentence-parts.ts'
import { UNKNOWN_REASONS } from './unknown-reasons.ts'

const KINDS = {
  ...RESYNC_REASONS,
  ...CONNECTION_REASONS,
  ...DISK_REASONS,
  ...DIFFERENCE_REASONS,
  ...ARRAY_REASONS,
  ...UNKNOWN_REASONS,
} as const

export type ReasonCode = keyof typeof KINDS

/** Every reason that a judgement of a mirror can have. */
export const REASONS: { readonly [Code in ReasonCode]: ReasonKind } = KINDS

/** A coded cause with its parameters. */
export interface Reason extends ReasonDetails {
  readonly code: ReasonCode
}

/** A reason that is being built. */
export type ReasonDraft = { -readonly [Key in keyof Reason]: Reason[Key] }

/** A reason with its code's usual `clearedBy`, unless `details` says otherwise. */
export function reason(code: ReasonCode, mirror: string, details: Partial<Omit<ReasonDetails, 'mirror'>> = {}): Reason {
  return { code, mirror, clearedBy: REASONS[code].clearedBy, ...details }
}

/** Narrows a code that came from another host, which may run another version of this program. */
export function isReasonCode(code: string): code is ReasonCode {
  return Object.hasOwn(REASONS, code)
}

/** The kind of a code of any version; `null`: this version does not know the code. */
export function kindOf(code: string): ReasonKind | null {
  return isReasonCode(code) ? REASONS[code] : null
}

/** False only for warnings. A code that this version does not know blocks. */
export function isBlocking(code: string): boolean {
  return kindOf(code)?.implies !== null
}

/**
 * Rank in lists, smallest first: 0 virtual disks cannot be used, 1 blocks and needs an operator, 2 blocks until time clears it,
 * 3 warning.
 */
export function urgencyOf(code: string, clearedBy: ClearedBy, blocking = isBlocking(code)): number {
  if (kindOf(code)?.makesUnusable === true) return 0
  if (!blocking) return 3
  return clearedBy === 'operator' ? 1 : 2
}

/**
 * One sentence with the names of the objects and what clears it.
 * @param here name of the host that gives the reason, for readers on other hosts
 */
export function describe(reason: Reason, here = 'this host'): string {
  return `${REASONS[reason.code].sentence(reason, here)} ${clearing(reason)}`
}

/**
 * What to do about a reason.
 * @param sr UUID of the SR
 * @param speaker name of the host that gives it, by which its peers name their connections to it
 */
export function remedy(reason: Reason, sr: string, speaker: string): Remedy {
  return REASONS[reason.code].remedy(remedyContext(reason, sr, speaker))
}

/**
 * The state that a mirror's reasons imply. Anything not understood makes it `unknown`; otherwise moving data makes it `resyncing`, even
 * while another replica is away; `synced` is what remains when every part was found well.
 */
export function stateFromReasons(reasons: readonly Reason[]): SyncState {
  let state: SyncState = 'synced'
  for (const { code } of reasons) {
    const { implies } = REASONS[code]
    if (implies === 'unknown') return 'unknown'
    if (implies === 'resyncing') state = 'resyncing'
    else if (implies === 'degraded' && state === 'synced') state = 'degraded'
  }
  return state
}
