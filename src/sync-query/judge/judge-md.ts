import { type Reason, reason, stateFromReasons } from '../reason/reason.ts'
import { type Judgement, progressBeforeEnd } from './judgement.ts'
import type { MdArray, MdMember, MdOperation } from './md.ts'

/** The levels whose arrays keep a sync_action (kernel Documentation/admin-guide/md.rst): the others hold one copy. */
const REDUNDANT_LEVELS: ReadonlySet<string> = new Set(['raid1', 'raid4', 'raid5', 'raid6', 'raid10'])
const OTHER_LEVELS: ReadonlySet<string> = new Set(['raid0', 'linear', 'multipath', 'faulty', 'container'])

/** The words of sync_action that copy data, and what they do. */
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
 * What can be said of one md array from one look at it. `synced` only if a redundant level, an active array, enough
 * current members and the absence of any operation were each said; a scrub (`check`) is no resync.
 * Pure; never throws. An unknown or missing word, or a doubt of the parser, makes it `unknown`.
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

/** Every word of `array_states` in the kernel's md.c, and mdstat's two, which are among them. */
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

/** More members have failed than the level can lack: it serves what is left, and refuses writes. */
function brokenReasons(array: MdArray): readonly Reason[] {
  const { expected, current } = array.slots
  const missing = expected === null || current === null ? 0 : expected - current
  const details = { field: 'array_state', word: 'broken', ...(missing > 0 && { missing }) }
  return [reason('array-degraded', array.name, details), ...failedMembers(array, true), ...memberReasons(array)]
}

function stoppedReasons(array: MdArray, word: string): readonly Reason[] {
  // One that was never started has members and no level: after a boot, with too few of them to start it.
  const hasLevel = array.level !== null && array.level !== ''
  if (!hasLevel && array.members.length > 0) return [inactive(array, word)]
  const level = levelReasons(array)
  // A container only holds the members of other arrays; being inactive is its normal state.
  if (array.level === 'container' || level.some(({ code }) => code !== 'not-redundant')) return level
  return [inactive(array, word), ...level]
}

function servingReasons(array: MdArray, operation: MdOperation | null): readonly Reason[] {
  const level = levelReasons(array)
  if (level.length > 0) return level
  const { expected, current } = array.slots
  if (expected === null || current === null) return [wordReason(array, 'slots', null)]
  // A raid1 grown down to one member is a single copy under a redundant level's name.
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
 * The words of action_show in the kernel's md.c, all kernels together. An array that stands still may owe a resync (see
 * currentOperation): that nobody said whether it does matters unless it is known to lack a member, which is worse.
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
 * What is at work in an active array, or owed to it. sync_action names a recovery before it begins, in a gap that mdstat
 * does not show (mdadm's `--wait` works around it). `resync_start` tells of a resync that neither shows: an array that is
 * read-only or frozen says `idle`, or starts a scrub, with half of it still unsynced.
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

/** Why an owed operation does not run decides who can make it: nobody but an operator unfreezes or writes to an array. */
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
 * Missing replicas that nothing is about to bring back. A recovery rebuilds every member it can at once, so whatever is
 * missing beyond the members at hand stays missing when it ends. A reshape counts the members it adds as missing.
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

/** How many members are there to be rebuilt; all of the missing ones where the members were not said. */
function recoverableMembers({ members }: MdArray, current: number, missing: number): number {
  if (members.length === 0) return missing
  const usable = members.filter(member => !isOneOf(member, 'failed', 'journal', 'replacement'))
  return Math.min(Math.max(usable.length - current, 0), missing)
}

/**
 * A failed member that has lost its slot in a complete array was replaced: it only waits to be removed, and blocks
 * nothing. One that still holds its slot, or was the journal, is a hole in the redundancy that no count shows.
 */
function failedMembers(array: MdArray, incomplete: boolean): readonly Reason[] {
  return array.members
    .filter(member => isOneOf(member, 'failed') && (incomplete || member.slot !== null || isOneOf(member, 'journal')))
    .map(member => reason('member-failed', array.name, { peer: member.name }))
}

/**
 * What is amiss with members that hold a slot: bad blocks are holes in the redundancy that no count shows. The kernel says
 * `blocked` of a failure or of bad blocks that are not recorded yet.
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
 * As the slots say, less the members with bad blocks, which hold no whole copy; of a stopped array no replica carries data, and
 * what is not known is not counted.
 */
function replicasOf({ slots: { expected, current }, members }: MdArray, phase: ArrayPhase): Judgement['replicas'] {
  if (expected === null) return { expected: 0, current: 0 }
  if (current === null || phase === 'inactive' || phase === 'suspended' || phase === 'clear')
    return { expected, current: 0 }
  const holed = members.filter(
    ({ slot, flags, badBytes = 0 }) => badBytes > 0 && slot !== null && flags.includes('in-sync'),
  )
  return { expected, current: Math.max(Math.min(current, expected) - holed.length, 0) }
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

/** The reason for a word that was not said, or that this program does not know. */
function wordReason({ name }: MdArray, field: string, word: string | null): Reason {
  return word === null || word === ''
    ? reason('word-missing', name, { field })
    : reason('unknown-word', name, { field, word })
}
