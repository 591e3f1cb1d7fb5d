import { type Reason, reason, stateFromReasons } from '../reason/reason.ts'
import { type Judgement, progressBeforeEnd } from './judgement.ts'
import type { MdArray, MdMember, MdOperation } from './md.ts'

/** The levels whose arrays have a sync_action (kernel Documentation/admin-guide/md.rst); the others have one copy. */
const REDUNDANT_LEVELS: ReadonlySet<string> = new Set(['raid1', 'raid4', 'raid5', 'raid6', 'raid10'])
const OTHER_LEVELS: ReadonlySet<string> = new Set(['raid0', 'linear', 'multipath', 'faulty', 'container'])

/** The values of sync_action that copy data. */
const COPYING_ACTIONS: ReadonlyMap<string, MdOperation['kind']> = new Map([
  ['resync', 'resync'],
  ['recover', 'recovery'],
  ['repair', 'repair'],
  ['reshape', 'reshape'],
])

const WITHOUT_PROGRESS = { progress: null, doneBytes: null, totalBytes: null, etaSeconds: null } as const

const SECTOR = 512

type ArrayPhase = 'serving' | 'inactive' | 'suspended' | 'clear' | 'broken' | 'unknown'

/**
 * Judges one reading of an md array. `synced` only if the kernel shows a redundant level, an active array, enough current members and no
 * operation; a scrub (`check`) is not a resync. Never throws. An unknown or missing value, or a doubt of the parser, makes it `unknown`.
 */
export function judgeMdArray(array: MdArray): Judgement {
  const phase = arrayPhase(array.arrayState)
  const operation = phase === 'serving' ? currentOperation(array) : null
  const reasons = [
    ...array.doubts.map(({ code, ...details }) => reason(code, array.name, details)),
    ...phaseReasons(array, phase, operation),
  ]
  const state = stateFromReasons(reasons)
  const doneBytes = operation?.doneBytes ?? null
  const totalBytes = operation?.totalBytes ?? null
  const copies = operation !== null && operation.kind !== 'check'
  return {
    mirror: array.name,
    backend: 'md',
    state,
    activity: operation?.kind ?? 'none',
    moving: copies && (operation.status === 'running' || operation.status === 'remote'),
    progress: progressBeforeEnd(operation?.progress ?? null),
    doneBytes,
    totalBytes,
    outOfSyncBytes: state === 'synced' ? 0 : copies ? bytesLeft(doneBytes, totalBytes) : null,
    etaSeconds: operation?.etaSeconds ?? null,
    replicas: replicasOf(array, phase),
    reasons,
  }
}

function phaseReasons(array: MdArray, phase: ArrayPhase, operation: MdOperation | null): readonly Reason[] {
  switch (phase) {
    case 'unknown':
      return [wordReason(array, 'array_state', array.arrayState)]
    case 'clear':
      return [inactive(array, phase)]
    case 'inactive':
    case 'suspended':
      return stoppedReasons(array, phase)
    case 'broken':
      return brokenReasons(array)
    case 'serving':
      return servingReasons(array, operation)
  }
}

/** Every value of `array_states` in the kernel's md.c; mdstat's two are among them. */
function arrayPhase(word: string | null): ArrayPhase {
  switch (word) {
    case 'clean':
    case 'active':
    case 'active-idle':
    case 'write-pending':
    case 'readonly':
    case 'read-auto':
      return 'serving'
    case 'inactive':
    case 'suspended':
    case 'clear':
    case 'broken':
      return word
    default:
      return 'unknown'
  }
}

/** More members have failed than the level tolerates: the array serves what is left, and refuses writes. */
function brokenReasons(array: MdArray): readonly Reason[] {
  const { expected, current } = array.slots
  const missing = expected === null || current === null ? 0 : expected - current
  const details = { field: 'array_state', word: 'broken', ...(missing > 0 && { missing }) }
  return [reason('array-degraded', array.name, details), ...failedMembers(array, true), ...memberReasons(array)]
}

function stoppedReasons(array: MdArray, word: string): readonly Reason[] {
  // An array that was never started has members and no level: after a boot with too few of them.
  const hasLevel = array.level !== null && array.level !== ''
  if (!hasLevel && array.members.length > 0) return [inactive(array, word)]
  const level = levelReasons(array)
  // A container only has the members of other arrays; inactive is its normal state.
  if (array.level === 'container' || level.some(({ code }) => code !== 'not-redundant')) return level
  return [inactive(array, word), ...level]
}

function servingReasons(array: MdArray, operation: MdOperation | null): readonly Reason[] {
  const level = levelReasons(array)
  if (level.length > 0) return level
  const { expected, current } = array.slots
  if (expected === null || current === null) return [wordReason(array, 'slots', null)]
  // A raid1 reduced to one member is a single copy with the name of a redundant level.
  if (expected < 2) return [notRedundant(array, 'slots', `${expected}`)]
  const missing = expected - current
  const working = operation !== null && operation.kind !== 'check' && operation.status !== 'pending'
  return [
    ...syncActionReasons(array, missing),
    ...operationReasons(array, operation),
    ...missingReasons(array, operation, current, missing),
    ...failedMembers(array, missing > 0 && !working),
    ...memberReasons(array),
    ...mismatchReasons(array),
  ]
}

function levelReasons(array: MdArray): readonly Reason[] {
  const { level } = array
  if (level !== null && REDUNDANT_LEVELS.has(level)) return []
  if (level !== null && OTHER_LEVELS.has(level)) return [notRedundant(array, 'level', level)]
  return [wordReason(array, 'level', level)]
}

/**
 * The values of action_show in the kernel's md.c, of all kernels. An array without an operation may still need a resync (see
 * currentOperation): if that is not known, it is a reason, unless the array lacks a member, which is worse.
 */
function syncActionReasons(array: MdArray, missing: number): readonly Reason[] {
  const isOpen = array.operation === null && typeof array.resyncStartBytes !== 'number'
  switch (array.syncAction) {
    case 'resync':
    case 'recover':
    case 'repair':
    case 'reshape':
      return []
    case 'idle':
    case 'frozen':
    case 'check':
      return isOpen && missing <= 0 ? [wordReason(array, 'resync_start', null)] : []
    case null:
      return isOpen ? [wordReason(array, 'sync_action', null)] : []
    default:
      return [wordReason(array, 'sync_action', array.syncAction)]
  }
}

/**
 * What runs in an active array, or is needed. sync_action names a recovery before it begins, in a gap that mdstat does not show (mdadm's
 * `--wait` works around it). `resync_start` shows a resync that neither shows: an array that is read-only or frozen is `idle`, or starts
 * a scrub, with half of it still out of sync.
 */
function currentOperation({ operation, syncAction, resyncStartBytes }: MdArray): MdOperation | null {
  if (operation !== null && operation !== 'none' && operation.kind !== 'check') return operation
  const named = syncAction === null ? undefined : COPYING_ACTIONS.get(syncAction)
  if (named !== undefined) return { ...WITHOUT_PROGRESS, kind: named, status: 'starting' }
  if (typeof resyncStartBytes === 'number') return { ...WITHOUT_PROGRESS, kind: 'resync', status: 'pending' }
  return operation === 'none' ? null : operation
}

function operationReasons(array: MdArray, operation: MdOperation | null): readonly Reason[] {
  if (operation === null || operation.kind === 'check') return []
  switch (operation.status) {
    case 'running': {
      const progress = progressBeforeEnd(operation.progress)
      return [reason('resync-running', array.name, { word: operation.kind, ...(progress !== null && { progress }) })]
    }
    case 'remote':
      return [reason('resync-running', array.name, { word: operation.kind })]
    case 'starting':
      return [reason('resync-starting', array.name, { word: operation.kind })]
    case 'delayed':
      return [reason('resync-waiting', array.name, { word: operation.kind })]
    case 'pending':
      return [pendingReason(array, operation)]
  }
}

/** Why a needed operation does not run: only an operator unfreezes an array or writes to it. */
function pendingReason(array: MdArray, { kind }: MdOperation): Reason {
  if (array.syncAction === 'frozen') {
    return reason('resync-paused', array.name, { field: 'sync_action', word: 'frozen' })
  }
  if (array.readOnly !== null && array.readOnly !== 'no') {
    return reason('resync-pending-write', array.name, { field: 'array_state', word: array.readOnly })
  }
  return reason('resync-starting', array.name, { word: kind })
}

/**
 * Missing replicas that nothing brings back. A recovery rebuilds all available members at once, so replicas beyond these are still missing
 * at its end. A reshape counts the members that it adds as missing.
 */
function missingReasons(
  array: MdArray,
  operation: MdOperation | null,
  current: number,
  missing: number,
): readonly Reason[] {
  if (missing <= 0 || operation?.kind === 'reshape') return []
  if (array.syncAction === 'frozen') {
    return [reason('recovery-frozen', array.name, { field: 'sync_action', word: 'frozen', missing })]
  }
  const left = operation?.kind === 'recovery' ? missing - recoverableMembers(array, current, missing) : missing
  return left > 0 ? [reason('array-degraded', array.name, { missing: left })] : []
}

/** Number of members that can be rebuilt; all missing ones if the members are not known. */
function recoverableMembers({ members }: MdArray, current: number, missing: number): number {
  if (members.length === 0) return missing
  const usable = members.filter(member => !isOneOf(member, 'failed', 'journal', 'replacement'))
  return Math.min(Math.max(usable.length - current, 0), missing)
}

/**
 * A failed member without a slot in a complete array was replaced: it waits for its removal, and blocks nothing. One that still has its
 * slot, or was the journal, is a gap in the redundancy that no count shows.
 */
function failedMembers(array: MdArray, incomplete: boolean): readonly Reason[] {
  return array.members
    .filter(member => isOneOf(member, 'failed') && (incomplete || member.slot !== null || isOneOf(member, 'journal')))
    .map(member => reason('member-failed', array.name, { peer: member.name }))
}

/**
 * Problems of members with a slot: bad blocks are gaps in the redundancy that no count shows. The kernel shows `blocked` for a failure or
 * bad blocks that are not recorded yet.
 */
function memberReasons({ name, members }: MdArray): readonly Reason[] {
  return members
    .filter(member => member.slot !== null && !isOneOf(member, 'failed'))
    .flatMap(member => {
      const { name: peer, flags, badBytes = 0 } = member
      if (badBytes > 0) return [reason('member-bad-blocks', name, { peer, word: sectors(badBytes) })]
      if (flags.includes('blocked')) return [reason('member-blocked', name, { peer, word: 'blocked' })]
      const marks = flags.filter(flag => flag === 'write-error' || flag === 'want-replacement')
      return marks.length === 0 ? [] : [reason('member-suspect', name, { peer, word: marks.join(', ') })]
    })
}

function sectors(badBytes: number): string {
  const count = Math.ceil(badBytes / SECTOR)
  return count === 1 ? '1 sector' : `${count} sectors`
}

function isOneOf({ flags }: MdMember, ...wanted: MdMember['flags']): boolean {
  return flags.some(flag => wanted.includes(flag))
}

function mismatchReasons({ name, mismatchBytes }: MdArray): readonly Reason[] {
  if (mismatchBytes === null || mismatchBytes === 0) return []
  return [reason('mismatches-found', name, { outOfSyncBytes: mismatchBytes })]
}

/**
 * By the slots, without the members with bad blocks, which have no complete copy. A stopped array has no current replica; unknown ones are
 * not counted.
 */
function replicasOf({ slots: { expected, current }, members }: MdArray, phase: ArrayPhase): Judgement['replicas'] {
  if (expected === null) return { expected: 0, current: 0 }
  if (current === null || phase === 'inactive' || phase === 'suspended' || phase === 'clear')
    return { expected, current: 0 }
  const incomplete = members.filter(
    ({ slot, flags, badBytes = 0 }) => badBytes > 0 && slot !== null && flags.includes('in-sync'),
  )
  return { expected, current: Math.max(Math.min(current, expected) - incomplete.length, 0) }
}

function bytesLeft(doneBytes: number | null, totalBytes: number | null): number | null {
  return doneBytes === null || totalBytes === null ? null : Math.max(totalBytes - doneBytes, 0)
}

function inactive({ name }: MdArray, word: string): Reason {
  return reason('array-inactive', name, { field: 'array_state', word })
}

function notRedundant({ name }: MdArray, field: string, word: string): Reason {
  return reason('not-redundant', name, { field, word })
}

/** The reason for a missing or unknown value. */
function wordReason({ name }: MdArray, field: string, word: string | null): Reason {
  return word === null || word === ''
    ? reason('word-missing', name, { field })
    : reason('unknown-word', name, { field, word })
}
