import type { MdArray, MdDoubt, MdMember, MdMemberFlag, MdOperation } from '../../sync-query/judge/md.ts'
import { blocksToBytes, progressOf } from './block-count.ts'
import { excerpt, isContainer } from './md-reading.ts'

/** The trimmed lines of /proc/mdstat that belong to one array. */
export interface MdstatBlock {
  readonly name: string
  /** The text after `md0 :`. */
  readonly header: string
  readonly lines: string[]
  /** Lines after the blank line that ends the array, if they belong to no other array. */
  readonly strayLines: string[]
  /** The text ends with this array, without the last line of /proc/mdstat. */
  isCut: boolean
}

/** `vdb[1](W)(F)`: the number is that of the descriptor, not the slot. */
const MEMBER = /^([^\s[\]]+)\[\d+\]((?:\([A-Za-z]\))*)$/
const STATUS = /^\d+ blocks\b/
const SLOTS = /\[(\d{1,6})\/(\d{1,6})\]\s+\[([^\]]*)\]$/
/** `=` and `%` are excluded: they belong to an operation line that was joined to this one. */
const BITMAP = /^bitmap:[^=%]*$/
const OPERATION = /^(?:\[[=>.]*\]\s*)?([A-Za-z]+)\s*=\s*(\S.*)$/
const RUNNING = /^[\d.]+%\s+\((\d+)\/(\d+)\)/
const SUPER = /\bsuper (\S+)/
const FINISH = /\sfinish=(\d+(?:\.\d+)?)min\s/

/** The words of status_resync in drivers/md/md.c. */
const OPERATION_KINDS: ReadonlyMap<string, MdOperation['kind']> = new Map([
  ['resync', 'resync'],
  ['recovery', 'recovery'],
  ['recover', 'recovery'],
  ['reshape', 'reshape'],
  ['check', 'check'],
])
const WAITING: ReadonlyMap<string, MdOperation['status']> = new Map([
  ['DELAYED', 'delayed'],
  ['PENDING', 'pending'],
  ['REMOTE', 'remote'],
])
const MEMBER_FLAGS: ReadonlyMap<string, MdMemberFlag> = new Map([
  ['F', 'failed'],
  ['S', 'spare'],
  ['W', 'write-mostly'],
  ['R', 'replacement'],
  ['J', 'journal'],
])

/** Flags of members that occupy no slot. */
const NOT_HOLDING: ReadonlySet<MdMemberFlag> = new Set(['failed', 'spare', 'journal', 'replacement'])

interface Header {
  readonly arrayState: string | null
  readonly readOnly: MdArray['readOnly']
  readonly level: string | null
  readonly members: readonly MdMember[]
  readonly doubts: readonly MdDoubt[]
  /** The status of an array without members: the kernel prints it in the same line. */
  readonly status: string | null
}

/** Parses the lines of one array. mdstat states some facts several times; if they do not agree, that is a doubt. */
export function parseMdstatBlock(block: MdstatBlock): MdArray {
  const header = parseHeader(block.header)
  const doubts: MdDoubt[] = [...header.doubts]
  const statuses = header.status === null ? [] : [header.status]
  const operations: MdOperation[] = []
  for (const line of block.lines) {
    const words = OPERATION.exec(line)
    if (STATUS.test(line)) {
      statuses.push(line)
    } else if (words?.[1] !== undefined && words[2] !== undefined) {
      const operation = parseOperation(words[1], words[2])
      if (operation === null) doubts.push({ code: 'unknown-word', field: 'operation', word: excerpt(line) })
      else operations.push(operation)
    } else if (!BITMAP.test(line)) {
      doubts.push({ code: 'unknown-word', field: 'mdstat', word: excerpt(line) })
    }
  }
  // The kernel prints each of these once. Twice means two joined arrays or a repeated line.
  if (statuses.length > 1) doubts.push({ code: 'contradiction', field: 'slots' })
  if (operations.length > 1) doubts.push({ code: 'contradiction', field: 'operation' })
  for (const line of block.strayLines) doubts.push({ code: 'unknown-word', field: 'mdstat', word: excerpt(line) })
  if (block.isCut) doubts.push({ code: 'dump-incomplete', field: 'mdstat' })

  const [operation] = operations
  const slots = parseSlots(statuses[0] ?? '')
  if (header.arrayState !== 'inactive' && slots !== null) {
    doubts.push(...slotDoubts(slots, header.members, operation?.kind === 'reshape'))
  }
  return {
    name: block.name,
    uuid: null,
    level: header.level ?? (isContainer(SUPER.exec(statuses[0] ?? '')?.[1] ?? '') ? 'container' : null),
    arrayState: header.arrayState,
    readOnly: header.readOnly,
    slots: { expected: slots?.expected ?? null, current: slots?.current ?? null },
    members: header.members,
    syncAction: null,
    operation: operation ?? (block.isCut ? null : 'none'),
    resyncStartBytes: null,
    mismatchBytes: null,
    doubts,
  }
}

function parseHeader(header: string): Header {
  const [arrayState = '', ...tokens] = header.trim().split(/\s+/)
  if (arrayState !== 'active' && arrayState !== 'inactive' && arrayState !== 'broken') {
    const doubt: MdDoubt = { code: 'unknown-word', field: 'array_state', word: excerpt(arrayState) }
    return { arrayState: null, readOnly: null, level: null, members: [], doubts: [doubt], status: null }
  }
  const readOnly = takeReadOnly(tokens, arrayState)
  const level = takeLevel(tokens)
  const members: MdMember[] = []
  const doubts: MdDoubt[] = []
  const status = tokens[0] !== undefined && isStatusWord(tokens[0]) ? tokens.join(' ') : null
  for (const token of status === null ? tokens : []) {
    const member = MEMBER.exec(token)
    const letters = [...(member?.[2] ?? '').matchAll(/[A-Za-z]/g)].map(([letter]) => letter)
    const flags = letters.flatMap(letter => MEMBER_FLAGS.get(letter) ?? [])
    if (member?.[1] !== undefined) members.push({ name: member[1], slot: null, flags })
    if (member === null || flags.length < letters.length) {
      doubts.push({ code: 'unknown-word', field: 'member', word: excerpt(token) })
    }
  }
  return { arrayState, readOnly, level, members, doubts, status }
}

function takeReadOnly(tokens: string[], arrayState: string): MdArray['readOnly'] {
  const word = /^\((read-only|auto-read-only)\)$/.exec(tokens[0] ?? '')?.[1]
  if (word !== 'read-only' && word !== 'auto-read-only') return arrayState === 'inactive' ? null : 'no'
  tokens.shift()
  return word
}

/** An inactive array has no personality; mdstat then shows no level. */
function takeLevel(tokens: string[]): string | null {
  const [word] = tokens
  if (word === undefined || !/^[a-z]+\d*$/.test(word) || isStatusWord(word)) return null
  tokens.shift()
  return word
}

function isStatusWord(token: string): boolean {
  return token === 'super' || token === 'level'
}

function parseOperation(word: string, rest: string): MdOperation | null {
  const kind = OPERATION_KINDS.get(word)
  if (kind === undefined) return null
  const waiting = WAITING.get(rest)
  if (waiting !== undefined) {
    return { kind, status: waiting, progress: null, doneBytes: null, totalBytes: null, etaSeconds: null }
  }
  const counts = RUNNING.exec(rest)
  if (counts === null) return null
  const doneBytes = blocksToBytes(counts[1])
  const totalBytes = blocksToBytes(counts[2])
  const minutes = FINISH.exec(rest)?.[1]
  return {
    kind,
    status: 'running',
    progress: progressOf(doneBytes, totalBytes),
    doneBytes,
    totalBytes,
    etaSeconds: etaOf(minutes),
  }
}

/** The kernel divides by a speed that may be almost 0. Above this the value is no estimate. */
const MAX_ETA_SECONDS = 10 * 365 * 24 * 3600

function etaOf(minutes: string | undefined): number | null {
  const seconds = Math.round(Number(minutes) * 60)
  return seconds <= MAX_ETA_SECONDS ? seconds : null
}

interface Slots {
  readonly expected: number
  readonly current: number
  /** `U` for each slot whose member is current. */
  readonly map: string
}

function parseSlots(status: string): Slots | null {
  const [, expected, current, map] = SLOTS.exec(status) ?? []
  if (expected === undefined || current === undefined || map === undefined) return null
  return { expected: Number(expected), current: Number(current), map }
}

/**
 * Compares `[2/1]`, `[U_]` and the members, which state the same fact. One digit that is read wrong would make a degraded array look
 * complete, so they must agree. During a reshape the counts include members that the map does not show yet (raid5_calc_degraded takes
 * the worse of the old and the new geometry).
 */
function slotDoubts(slots: Slots, members: readonly MdMember[], isReshaping: boolean): readonly MdDoubt[] {
  const { expected, current, map } = slots
  const text = `[${expected}/${current}] [${map}]`
  if (!/^[U_]*$/.test(map)) return [{ code: 'unknown-word', field: 'slots', word: text }]
  // An active replacement is counted in addition to the member that it replaces (`[2/3] [UU]`) and has no letter.
  const whole = Math.min(current, expected)
  const up = [...map].filter(letter => letter === 'U').length
  const holders = members.filter(({ flags }) => !flags.some(flag => NOT_HOLDING.has(flag))).length
  const agrees = map.length === expected && (isReshaping || (up === whole && holders >= whole))
  return agrees ? [] : [{ code: 'contradiction', field: 'slots', word: text }]
}
