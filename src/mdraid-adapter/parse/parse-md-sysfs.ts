import type { MdArray, MdDoubt, MdMember, MdMemberFlag, MdOperation } from '../../sync-query/judge/md.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import { progressOf, sectorsToBytes } from './block-count.ts'
import { doubtProblems, excerpt, isContainer, type MdReading, mdProblem } from './md-reading.ts'

/** Texts by path below /sys/block (`md0/md/level`, `md0/md/dev-sda/state`); `undefined`: the file no longer existed. */
export type SysfsFiles = Readonly<Record<string, string | undefined>>

/**
 * The files of `/sys/block/mdN/md` that are read, in this order. sync_action comes before degraded: a recovery that ends between the two
 * reads then still looks running, and never missing.
 */
export const ARRAY_FILES = [
  'array_state',
  'sync_action',
  'sync_completed',
  'resync_start',
  'reshape_position',
  'last_sync_action',
  'mismatch_cnt',
  'level',
  'metadata_version',
  'raid_disks',
  'degraded',
  'uuid',
] as const

/** The files of a member's `dev-NAME` that are read. */
export const MEMBER_FILES = ['state', 'slot', 'bad_blocks', 'unacknowledged_bad_blocks'] as const

type ArrayFile = (typeof ARRAY_FILES)[number]

/** The words of state_show in drivers/md/md.c. A word without flags does not concern the redundancy. */
const MEMBER_WORDS: ReadonlyMap<string, readonly MdMemberFlag[]> = new Map([
  ['faulty', ['failed']],
  ['in_sync', ['in-sync']],
  ['journal', ['journal']],
  ['write_mostly', ['write-mostly']],
  // The spelling of md.rst.
  ['writemostly', ['write-mostly']],
  ['blocked', ['blocked']],
  ['spare', ['spare']],
  ['replacement', ['replacement']],
  ['write_error', ['write-error']],
  ['want_replacement', ['want-replacement']],
  ['external_bbl', []],
  ['failfast', []],
])

const OPERATION_KINDS: ReadonlyMap<string, MdOperation['kind']> = new Map([
  ['resync', 'resync'],
  ['recover', 'recovery'],
  ['check', 'check'],
  ['repair', 'repair'],
  ['reshape', 'reshape'],
])

/** Length from which a file of sysfs may be cut off at the end of its page. */
const FULL_FILE = 4095

const NIL_UUID = '00000000-0000-0000-0000-000000000000'

/**
 * Parses the files of a tree like /sys/block. Pure; any text gives a result, any file may be missing. `understood` is always true: only
 * the reader knows whether the tree was read completely.
 */
export function parseMdSysfs(files: SysfsFiles): MdReading {
  const names = new Set<string>()
  for (const path of Object.keys(files)) {
    const name = /^([^/]+)\/md\/./.exec(path)?.[1]
    if (name !== undefined) names.add(name)
  }
  const parsed = [...names].sort().map(name => parseArray(name, files))
  return {
    arrays: parsed.map(({ array }) => array),
    problems: parsed.flatMap(({ array, problems }) => [...problems, ...doubtProblems(array)]),
    understood: true,
  }
}

function parseArray(name: string, files: SysfsFiles): { array: MdArray; problems: readonly Problem[] } {
  const doubts: MdDoubt[] = []
  const problems: Problem[] = []
  const read = (file: ArrayFile): string | null => files[`${name}/md/${file}`]?.trim() ?? null
  /** The match of `pattern` in a file. Any other text is a doubt. */
  const match = (file: ArrayFile, pattern: RegExp): RegExpExecArray | null => {
    const word = read(file)
    const found = word === null ? null : pattern.exec(word)
    if (found === null && word !== null && word !== '') {
      doubts.push({ code: 'unknown-word', field: file, word: excerpt(word) })
    }
    return found
  }

  const arrayState = read('array_state') || null
  const readOnly = readOnlyOf(arrayState)
  const syncAction = read('sync_action') || null
  const resyncStartBytes = resyncStartOf(match('resync_start', /^(?:none|\d{1,20})$/)?.[0])
  // `4 (3)`: the new and, during a reshape, the old count. Empty for a container.
  const raidDisks = match('raid_disks', /^(\d{1,6})(?: \((\d{1,6})\))?$/)
  const degraded = match('degraded', /^-?\d{1,6}$/)?.[0]
  const reshapePosition = match('reshape_position', /^(?:none|\d{1,20})$/)?.[0]
  const isReshaping = raidDisks?.[2] !== undefined || (reshapePosition !== undefined && reshapePosition !== 'none')
  const expected = raidDisks === null ? null : Number(raidDisks[1])
  const counted = expected === null || degraded === undefined ? null : expected - Number(degraded)
  const members = parseMembers(name, files, doubts)
  const current = isReshaping ? counted : currentMembers(counted, expected, members)
  const completed = read('sync_completed')
  if (completed !== null && !/^(none|delayed|\d+ \/ \d+|)$/.test(completed)) {
    problems.push(mdProblem(name, 'unknown-word', `sync_completed of ${name}`, completed))
  }
  const array: MdArray = {
    name,
    uuid: uuidOf(read('uuid')),
    level: levelOf(read('level'), read('metadata_version')),
    arrayState,
    readOnly,
    slots: { expected, current },
    members,
    syncAction,
    operation: operationOf(syncAction, completed, {
      isReshaping,
      // In a writable, unfrozen array, idle means that no resync is needed: the kernel would have started it.
      idleMeansDone: resyncStartBytes !== null || (readOnly === 'no' && syncAction !== 'frozen'),
    }),
    resyncStartBytes,
    mismatchBytes: mismatchOf(read('mismatch_cnt'), read('last_sync_action')),
    doubts,
  }
  return { array, problems }
}

function parseMembers(name: string, files: SysfsFiles, doubts: MdDoubt[]): readonly MdMember[] {
  const prefix = `${name}/md/dev-`
  const members = new Set<string>()
  for (const path of Object.keys(files)) {
    if (path.startsWith(prefix)) members.add(path.slice(prefix.length).replace(/\/.*/, ''))
  }
  return [...members].sort().map(member => {
    const words = (files[`${prefix}${member}/state`]?.trim() ?? '').split(',').filter(word => word !== '')
    const slotWord = files[`${prefix}${member}/slot`]?.trim() ?? ''
    for (const word of words) {
      if (!MEMBER_WORDS.has(word)) doubts.push({ code: 'unknown-word', field: `${member} state`, word: excerpt(word) })
    }
    if (!/^(none|journal|\d{1,6}|)$/.test(slotWord)) {
      doubts.push({ code: 'unknown-word', field: `${member} slot`, word: excerpt(slotWord) })
    }
    const slot = /^\d{1,6}$/.test(slotWord) ? Number(slotWord) : null
    const flags = words.flatMap(word => MEMBER_WORDS.get(word) ?? [])
    // The kernel shows a member as `spare` until its recovery ends. With a slot it is no longer a spare.
    const badBytes = badBytesOf(prefix, member, files, doubts)
    return {
      name: member,
      slot,
      flags: slot === null ? flags : flags.filter(flag => flag !== 'spare'),
      ...(badBytes > 0 && { badBytes }),
    }
  })
}

/**
 * Bytes in the member's list of bad blocks: `START LENGTH` lines in sectors (badblocks_show in block/badblocks.c). Blocks that are not
 * recorded in the metadata yet are in both files. A file holds some hundred lines; a longer list is cut off.
 */
function badBytesOf(prefix: string, member: string, files: SysfsFiles, doubts: MdDoubt[]): number {
  const amounts = (['bad_blocks', 'unacknowledged_bad_blocks'] as const).map(file => {
    const text = files[`${prefix}${member}/${file}`] ?? ''
    const lines = text.split('\n').filter(line => line.trim() !== '')
    if (text.length >= FULL_FILE && !text.endsWith('\n')) lines.pop()
    let bytes = 0
    for (const line of lines) {
      const length = /^\d+ (\d+)$/.exec(line.trim())?.[1]
      const lengthBytes = sectorsToBytes(length)
      if (lengthBytes === null) doubts.push({ code: 'unknown-word', field: `${member} ${file}`, word: excerpt(line) })
      else bytes += lengthBytes
    }
    return bytes
  })
  return Math.min(Math.max(...amounts), Number.MAX_SAFE_INTEGER)
}

/**
 * The number of current members: as counted by `degraded`, or fewer if the states of the members show that one failed after that was
 * read. Not for a reshape, whose counts include members that are not in sync yet.
 */
function currentMembers(counted: number | null, expected: number | null, members: readonly MdMember[]): number | null {
  if (counted === null || expected === null || members.length === 0) return counted
  const inSync = members.filter(({ flags }) => flags.includes('in-sync') && !flags.includes('journal'))
  // A member and its replacement share a slot.
  const slots = new Set(inSync.map(({ name, slot }) => slot ?? name)).size
  return slots < Math.min(counted, expected) ? slots : counted
}

function operationOf(
  syncAction: string | null,
  completed: string | null,
  { isReshaping, idleMeansDone }: { isReshaping: boolean; idleMeansDone: boolean },
): MdOperation | 'none' | null {
  if (syncAction === 'idle' || syncAction === 'frozen') {
    // An interrupted reshape stays incomplete until an operator continues it, and sync_action is `idle` meanwhile.
    if (isReshaping) return operation('reshape', 'pending')
    return idleMeansDone ? 'none' : null
  }
  const kind = OPERATION_KINDS.get(syncAction ?? '')
  if (kind === undefined) return null
  if (completed === 'delayed') return operation(kind, 'delayed')
  if (completed === 'none') return operation(kind, 'starting')
  const [, done, total] = /^(\d+) \/ (\d+)$/.exec(completed ?? '') ?? []
  const doneBytes = sectorsToBytes(done)
  const totalBytes = sectorsToBytes(total)
  return { ...operation(kind, 'running'), doneBytes, totalBytes, progress: progressOf(doneBytes, totalBytes) }
}

function operation(kind: MdOperation['kind'], status: MdOperation['status']): MdOperation {
  return { kind, status, progress: null, doneBytes: null, totalBytes: null, etaSeconds: null }
}

function readOnlyOf(arrayState: string | null): MdArray['readOnly'] {
  switch (arrayState) {
    case 'readonly':
      return 'read-only'
    case 'read-auto':
      return 'auto-read-only'
    case 'clean':
    case 'active':
    case 'active-idle':
    case 'write-pending':
      return 'no'
    default:
      return null
  }
}

/**
 * An array that was never started may show its level as a number (level_show in drivers/md/md.c). A container has metadata that the
 * kernel does not interpret (`external:imsm`), and no level; an array inside it names it (`external:/md127/0`).
 */
function levelOf(word: string | null, metadata: string | null): string | null {
  if ((word === null || word === '') && metadata !== null && isContainer(metadata)) return 'container'
  return word !== null && /^\d+$/.test(word) ? `raid${word}` : word
}

/** Where the resync has to continue. Kernels before 2.6.30 print "none" (MaxSector) as a number (md.rst: "a very large number"). */
function resyncStartOf(word: string | undefined): number | 'none' | null {
  if (word === undefined) return null
  return word === 'none' || BigInt(word) >= 2n ** 63n ? 'none' : (sectorsToBytes(word) ?? Number.MAX_SAFE_INTEGER)
}

function uuidOf(word: string | null): string | null {
  return word === null || word === '' || word === NIL_UUID ? null : word
}

/**
 * Bytes that a check found to differ. After a repair or a resync mismatch_cnt counts what was rewritten (md.rst), so only the count of a
 * check is used. If the kernel has no last_sync_action, the count is taken for that of a check.
 */
function mismatchOf(count: string | null, lastAction: string | null): number | null {
  return lastAction === null || lastAction === 'check' ? sectorsToBytes(count ?? undefined) : null
}
