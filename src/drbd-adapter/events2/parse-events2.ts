import {
  countAt,
  detachedWord,
  estimateSeconds,
  findStateWord,
  isStateWord,
  percentToFraction,
  scaleKib,
  scaleSectors,
  WordTable,
} from '../drbd-words.ts'
import {
  EVENTS2_KEYS,
  Events2Change,
  type Events2Key,
  type Events2Line,
  type Events2Object,
  type Events2Verb,
  type OddKey,
} from './events2-line.ts'
import { microsOf } from './events2-time.ts'

const VERBS = new WordTable<Events2Verb>(
  (['exists', 'create', 'change', 'destroy', 'call', 'response', 'rename'] as const).map(verb => [verb, verb]),
)

/** Matches `exichange`: the beginning of one line joined to another line. */
const VERB_AT_END = /(?:exists|create|change|destroy|call|response|rename)$/

const OBJECTS = new WordTable<Events2Object>(
  (['resource', 'connection', 'device', 'peer-device', 'path', 'helper'] as const).map(object => [object, object]),
)

/** The identifiers that each object needs. A line without them cannot be applied. */
const NAMED_BY: Readonly<
  Record<Exclude<Events2Object, 'helper'>, { readonly peer: boolean; readonly volume: boolean }>
> = {
  resource: { peer: false, volume: false },
  connection: { peer: true, volume: false },
  device: { peer: false, volume: true },
  'peer-device': { peer: true, volume: true },
  path: { peer: true, volume: false },
}

/** Far above DRBD's limits; bounds the memory that a broken stream can use. */
const MAX_NAME = 255
const MAX_WORD = 64

/** Number of characters that can hold a timestamp, a verb, an object and a name. */
const MAX_HEAD = 512

/** The beginning of a line up to its name. The verb may be damaged. */
const HEAD = /^(?:\S{1,40} )?(\S{1,40}) (?:resource|connection|device|peer-device|path|helper) name:(\S+) /

const SKIPPED = '- skipped '

const SPACE = 32
const MINUS = 45
const ZERO = 48
const COLON = 58

/**
 * Parses the line `text[start, end)` (without its newline) of `drbdsetup events2` of 8.4 or 9, with any of its options. Takes the
 * new one of `--diff` values (`old->new`). Converts KiB and sectors to bytes. Never throws.
 */
export function parseEvents2(text: string, start: number, end: number): Events2Line {
  let position = start
  let atMicros: number | null = null
  const first = text.charCodeAt(position)
  if (first >= ZERO && first < COLON) {
    const space = blankBefore(text, position, end)
    atMicros = microsOf(text, position, space)
    if (Number.isNaN(atMicros)) return garbled(text, start, end, 'bad-line')
    position = space + 1
  }
  const verbEnd = blankBefore(text, position, end)
  const verb = VERBS.find(text, position, verbEnd)
  if (verb === undefined) return skippedLine(text, position, end, atMicros) ?? garbled(text, start, end, 'bad-line')
  const objectEnd = blankBefore(text, verbEnd + 1, end)
  if (objectEnd <= verbEnd) return garbled(text, start, end, 'bad-line')
  const object = OBJECTS.find(text, verbEnd + 1, objectEnd) ?? 'unknown'
  const isDash = objectEnd === verbEnd + 2 && text.charCodeAt(verbEnd + 1) === MINUS
  if (isDash && verb === 'exists' && objectEnd === end) return { kind: 'dump-end', atMicros }
  // Every line names its resource first (print_*_changes in drbdsetup_events2.c).
  if (!text.startsWith(' name:', objectEnd)) return garbled(text, start, end, 'bad-line')
  const nameStart = objectEnd + ' name:'.length
  const nameEnd = indexBefore(text, ' ', nameStart, end)
  if (nameEnd <= nameStart || nameEnd - nameStart > MAX_NAME) return garbled(text, start, end, 'bad-line')
  const change = new Events2Change(atMicros, verb, object, text.slice(nameStart, nameEnd))
  if (object === 'unknown') odd(change, 'object', text.slice(verbEnd + 1, objectEnd), 'key')
  if (!readKeys(change, text, nameEnd, end) || !isNamed(change)) return garbled(text, start, end, 'bad-line')
  return change
}

/** A line that cannot be read, with the resource that it names if the name is certain. */
export function garbled(
  text: string,
  start: number,
  end: number,
  why: 'bad-line' | 'line-too-long' | 'line-cut',
): Events2Line {
  // Slice first: a search in `text` would go through all the lines behind this one.
  const line = text.slice(start, Math.min(end, start + MAX_NAME))
  const resource = why === 'line-too-long' ? null : namedResource(text.slice(start, end), why)
  return { kind: 'garbled', atMicros: null, why, resource, text: line }
}

/**
 * The resource that a damaged line names. `null` if the line may be two joined lines, because the other one may belong to any
 * resource. Without the following blank the name itself may be truncated.
 */
function namedResource(line: string, why: 'bad-line' | 'line-cut'): string | null {
  const first = line.indexOf(' name:')
  if (first === -1 || line.indexOf(' name:', first + 1) !== -1) return null
  const [, verb = '', name = ''] = HEAD.exec(line.slice(0, MAX_HEAD)) ?? []
  if (why === 'bad-line' && VERB_AT_END.test(verb) && VERBS.find(verb, 0, verb.length) === undefined) return null
  return name === '' || name.length > MAX_NAME ? null : name
}

function skippedLine(text: string, start: number, end: number, atMicros: number | null): Events2Line | null {
  if (!text.startsWith(SKIPPED, start)) return null
  const count = text.slice(start + SKIPPED.length, end)
  return /^-?\d{1,10}$/.test(count) ? { kind: 'skipped', atMicros, count: Number(count) } : null
}

/** The verb is valid for the object, and all identifiers of the object are present. */
function isNamed({ object, peerNodeId, volume, verb, newName, helper }: Events2Change): boolean {
  if (object === 'unknown') return true
  if (verb === 'rename') return object === 'resource' && newName !== undefined
  if (verb === 'call' || verb === 'response' || object === 'helper') {
    return object === 'helper' && (verb === 'call' || verb === 'response') && helper !== undefined
  }
  const by = NAMED_BY[object]
  return (!by.peer || isNumber(peerNodeId)) && (!by.volume || isNumber(volume))
}

function isNumber(word: string | undefined): boolean {
  return word !== undefined && countAt(word, 0, word.length) !== null
}

/** Parses `key:value` tokens up to `end`. Returns false if a token is malformed. */
function readKeys(change: Events2Change, text: string, start: number, end: number): boolean {
  let position = start
  while (position < end) {
    if (text.charCodeAt(position) === SPACE) {
      position += 1
      continue
    }
    const colon = indexBefore(text, ':', position, end)
    const next = indexBefore(text, ' ', position, end)
    if (colon >= next || colon === position) return false
    const key = EVENTS2_KEYS.find(text, position, colon)
    if (key === undefined) oddKey(change, text.slice(position, colon), newValue(text, colon + 1, next))
    else if (key !== 'skipped') readValue(change, key, text, colon + 1, next)
    position = next
  }
  return true
}

function readValue(
  change: Events2Change,
  key: Exclude<Events2Key, 'skipped'>,
  text: string,
  start: number,
  end: number,
): void {
  switch (key) {
    case 'nine-only':
      change.isDrbd9 = true
      return
    case 'address':
      if (change.object !== 'path' && change.object !== 'helper') oddKey(change, key, text.slice(start, end))
      return
    case 'peer-node-id':
      change.peerNodeId = text.slice(start, end)
      return
    case 'conn-name':
      change.connName = text.slice(start, end)
      return
    case 'volume':
      change.volume = text.slice(start, end)
      return
    case 'minor':
      change.minor = text.slice(start, end)
      return
    case 'helper':
      change.helper = text.slice(start, end)
      return
    case 'new_name':
      change.newName = text.slice(start, end)
      return
    case 'sync-state':
      change.syncState = newValue(text, start, end)
      return
    case 'connection':
      change.connection = stateWord(change, key, text, start, end)
      return
    case 'disk':
      change.disk = stateWord(change, key, text, start, end)
      return
    case 'replication':
      change.replication = stateWord(change, key, text, start, end)
      return
    case 'peer-disk':
      change.peerDisk = stateWord(change, key, text, start, end)
      return
    case 'resync-suspended':
      change.resyncSuspended = newValue(text, start, end)
      return
    case 'suspended':
      change.suspended = newValue(text, start, end)
      return
    case 'force-io-failures':
      change.forceIoFailures = newValue(text, start, end)
      change.isDrbd9 = true
      return
    case 'out-of-sync':
      change.outOfSyncBytes = scaleKib(countAt(text, start, end))
      return
    case 'received':
      change.receivedBytes = scaleKib(countAt(text, start, end))
      return
    case 'sent':
      change.sentBytes = scaleKib(countAt(text, start, end))
      return
    case 'size':
      change.sizeBytes = scaleKib(countAt(text, start, end))
      return
    case 'rs-total':
      change.totalBytes = scaleSectors(countAt(text, start, end))
      return
    case 'done':
      change.done = percentToFraction(text.slice(start, end))
      return
    case 'eta':
      change.etaSeconds = estimateSeconds(countAt(text, start, end))
      return
    case 'client':
      change.client = newValue(text, start, end)
      change.isDrbd9 = true
      return
    case 'peer-client':
      change.peerClient = newValue(text, start, end)
      change.isDrbd9 = true
      return
    case 'quorum':
      change.quorum = newValue(text, start, end)
      change.isDrbd9 = true
  }
}

function odd(change: Events2Change, key: string, word: string, place: OddKey['place']): void {
  change.oddKeys ??= []
  change.oddKeys.push({ key, word, place })
}

function oddKey(change: Events2Change, key: string, word: string): void {
  // A damaged key can contain a colon (`replica:ion:SyncSource`).
  odd(change, key, word, isStateWord(word.slice(word.lastIndexOf(':') + 1)) ? 'state-key' : 'key')
}

/** A state word. An unknown one is kept as it is: the judge makes its mirror `unknown`. */
function stateWord(change: Events2Change, key: string, text: string, start: number, end: number): string {
  const known = findStateWord(text, start, end)
  if (known !== undefined) return known
  const word = newValue(text, start, end)
  const knownNew = findStateWord(word, 0, word.length)
  if (knownNew !== undefined) return knownNew
  odd(change, key, word, 'word')
  return detachedWord(word.slice(0, MAX_WORD))
}

/** The value `text[start, end)`; for `old->new` the new one. */
function newValue(text: string, start: number, end: number): string {
  const value = text.slice(start, end)
  const arrow = value.indexOf('->')
  return arrow === -1 ? value : value.slice(arrow + 2)
}

/** The index of the first blank in `text[from, end)`; `end` if there is none. Never searches beyond `end`. */
function blankBefore(text: string, from: number, end: number): number {
  let index = from
  while (index < end && text.charCodeAt(index) !== SPACE) index += 1
  return Math.min(index, end)
}

/** The index of the first `character` in `text[from, end)`; `end` if there is none. */
function indexBefore(text: string, character: string, from: number, end: number): number {
  const index = text.indexOf(character, from)
  return index === -1 || index > end ? end : index
}
