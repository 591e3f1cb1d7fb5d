import { type DrbdDoubt, REPLICATION_WORDS, wordMeaning } from '../../sync-query/judge/drbd.ts'
import type { ProblemCode } from '../../sync-query/judge/problem.ts'
import {
  count,
  estimateSeconds,
  isStateWord,
  percentToFraction,
  scaleKib,
  scaleSectors,
  sumOfKnown,
  suspendedParts,
  yesNo,
} from '../drbd-words.ts'
import { ProblemList } from '../problem-list.ts'
import { jsonFlaws } from './json-flaws.ts'
import { type DrbdSnapshot, emptyPeer, emptyVolume, type PeerDraft, type VolumeDraft } from './snapshot.ts'
import { doubtOnce, UniqueVolumes } from './unique-volumes.ts'

/** An object's members by their keys, `_` read as `-`: releases of drbd-utils differ in it (`peer_devices`). */
type Members = ReadonlyMap<string, unknown>

/** Keys whose values may be DRBD's state words; under any other key such a word may decide, and is not understood. */
const WORD_KEYS: ReadonlySet<string> = new Set([
  'name',
  'role',
  'peer-role',
  'write-ordering',
  'disk-state',
  'connection-state',
  'replication-state',
  'peer-disk-state',
])

/** DRBD allows 31. */
const MAX_PEERS = 64

/** So many unknown keys of one object are told. */
const MAX_STRANGERS = 4

/**
 * Reads `drbdsetup status --json [--verbose --statistics]` of drbd-utils 9 (8.4 has no JSON). Keys may be missing or
 * new; what was not said is `null`. Anything that is no whole document is not understood. Never throws.
 */
export function parseStatusJson(text: string): DrbdSnapshot {
  // The lines stay where they are.
  const json = text.replace(/^#.*$/gm, '')
  const problems = new ProblemList()
  if (json.trim() === '') {
    // Old releases print this banner where JSON was asked for (drbd-utils d0e274a1); without it a tool was cut short.
    const isBanner = /^# No currently configured DRBD found/m.test(text)
    problems.add(null, isBanner ? 'nothing-configured' : 'empty-output', 'line 1', 'No document', text.trim())
    return { understood: isBanner, volumes: [], problems: problems.all() }
  }
  const parsed = parseLoosely(json)
  if (parsed === null || !Array.isArray(parsed.document)) {
    problems.add(
      null,
      'not-this-format',
      parsed === null ? placeOf(json) : 'line 1',
      'No list of resources',
      json.trim(),
    )
    return { understood: false, volumes: [], problems: problems.all() }
  }
  const uniqueVolumes = new UniqueVolumes(problems)
  const flaws = new Map(jsonFlaws(parsed.json).map(flaw => [flaw.index, flaw]))
  let understood = true
  for (const [index, each] of parsed.document.entries()) {
    const flaw = flaws.get(index)
    const place = `[${index}]`
    const resource = membersOf(each)
    const name = resource?.get('name')
    if (resource === null || typeof name !== 'string' || name === '') {
      problems.add(null, 'word-missing', place, 'A resource without a name', shallow(each))
      understood = false
    } else {
      if (flaw !== undefined) {
        const what = flaw.code === 'too-deep' ? 'Nested too deep' : 'A key that was there before'
        problems.add(name, flaw.code, `${flaw.path} (line ${flaw.line})`, what, name)
      }
      const reader = new ResourceReader(name, place, problems, uniqueVolumes)
      if (!reader.read(resource, flaw !== undefined)) understood = false
    }
  }
  return { understood, volumes: uniqueVolumes.volumes, problems: problems.all() }
}

/**
 * `null` if it is no JSON. Releases before drbd-utils 10429303 printed figures that C calls nan and inf.
 */
function parseLoosely(json: string): { readonly json: string; readonly document: unknown } | null {
  for (const candidate of [json, json.replace(/(":\s*)[-+]?(?:nan|inf|infinity)(?=\s*[,}\]])/gi, '$1null')]) {
    try {
      return { json: candidate, document: JSON.parse(candidate) }
    } catch {
      // The next candidate, or none.
    }
  }
  return null
}

/** Where the text ceases to be JSON, as far as the parser says it. */
function placeOf(json: string): string {
  try {
    JSON.parse(json)
  } catch (error) {
    const [, line] = /\(line (\d+) column \d+\)/.exec(String(error)) ?? []
    if (line !== undefined) return `line ${line}`
  }
  return `line ${json.split('\n').length}`
}

/** A value of any depth in a few words. */
function shallow(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(JSON.stringify(value)).slice(0, 64)
  if (Array.isArray(value)) return `a list of ${value.length}`
  return `an object with ${Object.keys(value).slice(0, 4).join(', ') || 'no key'}`
}

interface Connection {
  readonly members: Members
  readonly strangers: readonly DrbdDoubt[]
  readonly devices: ReadonlyMap<VolumeDraft, Members>
}

/** Reads one resource. */
class ResourceReader {
  readonly #name: string
  readonly #place: string
  readonly #problems: ProblemList
  readonly #uniqueVolumes: UniqueVolumes
  readonly #volumes = new Map<number, VolumeDraft>()
  /** Something of it could not be read. */
  #isDoubted = false
  /** There is a volume that has no number, and so is not among these. */
  #hidesVolume = false

  constructor(name: string, place: string, problems: ProblemList, uniqueVolumes: UniqueVolumes) {
    this.#name = name
    this.#place = place
    this.#problems = problems
    this.#uniqueVolumes = uniqueVolumes
  }

  /** @returns false: there may be more volumes than were found */
  read(resource: Members, isFlawed: boolean): boolean {
    const own = this.#list(resource, 'devices')
    const seen = new Set<VolumeDraft>()
    for (const [index, members] of own.entries()) {
      const place = `${this.#place}.devices[${index}]`
      const volume = this.#volumeOf(members, place)
      if (members === null || volume === null) continue
      if (seen.has(volume)) this.#contradiction(volume, place, 'volume', 'A volume that was there before')
      seen.add(volume)
      readDevice(volume, members)
      const minor = count(members.get('minor'))
      if (minor !== null) this.#uniqueVolumes.addMinor(String(minor), volume, place)
    }
    const peers = this.#list(resource, 'connections')
    if (peers.length > MAX_PEERS) this.#doubt('too-many', this.#place, 'More peers than DRBD allows')
    const connections = peers.slice(0, MAX_PEERS).map((members, index) => this.#connection(members, index))
    this.#doubtNamesakes(connections)
    const strangers = strangersOf(resource, null)
    const ioSuspended = ioSuspendedBy(resource)
    const forcesIoFailures = flagOf(resource.get('force-io-failures'))
    for (const volume of this.#volumes.values()) {
      volume.ioSuspended = ioSuspended
      volume.forcesIoFailures = forcesIoFailures
      this.#uniqueVolumes.add(volume, this.#place)
      if (this.#isDoubted) doubtOnce(volume, { code: 'word-missing', field: 'volume' })
      if (isFlawed) doubtOnce(volume, { code: 'contradiction', field: 'json' })
      for (const doubt of strangers) doubtOnce(volume, doubt)
      for (const connection of connections) readPeer(volume, connection)
    }
    return !this.#hidesVolume
  }

  #connection(members: Members | null, index: number): Connection {
    const place = `${this.#place}.connections[${index}]`
    const devices = new Map<VolumeDraft, Members>()
    if (members === null) this.#doubt('word-missing', place, 'No object')
    else if (members.has('peer-devices') && !Array.isArray(members.get('peer-devices')))
      this.#doubt('word-missing', `${place}.peer_devices`, 'No list')
    for (const [nth, each] of listOf(members?.get('peer-devices')).entries()) {
      const at = `${place}.peer_devices[${nth}]`
      const volume = this.#volumeOf(each, at)
      if (each === null || volume === null) continue
      if (devices.has(volume)) this.#contradiction(volume, at, 'volume', 'A volume that was there before')
      devices.set(volume, each)
    }
    const known = members ?? new Map<string, unknown>()
    return { members: known, strangers: strangersOf(known, peerName(known)), devices }
  }

  #volumeOf(members: Members | null, place: string): VolumeDraft | null {
    const number = count(members?.get('volume'))
    if (number === null) {
      this.#doubt('word-missing', place, 'A volume without its number')
      this.#hidesVolume = true
      return null
    }
    const volume = this.#volumes.get(number) ?? emptyVolume(`${this.#name}/${number}`, '9')
    this.#volumes.set(number, volume)
    return volume
  }

  /** Without the list no peer would be bad, which must not read as all peers are good. */
  #list(resource: Members, key: 'devices' | 'connections'): (Members | null)[] {
    if (!Array.isArray(resource.get(key))) {
      this.#doubt('word-missing', `${this.#place}.${key}`, 'No list')
      if (key === 'devices') this.#hidesVolume = true
    }
    return listOf(resource.get(key))
  }

  #doubtNamesakes(connections: readonly Connection[]): void {
    const names = new Set<string>()
    for (const [index, { members }] of connections.entries()) {
      const name = peerName(members)
      if (names.has(name)) {
        for (const volume of this.#volumes.values())
          doubtOnce(volume, { code: 'contradiction', field: 'peer', word: name })
        const place = `${this.#place}.connections[${index}]`
        this.#problems.add(this.#name, 'contradiction', place, 'A peer that was there before', name)
      }
      names.add(name)
    }
  }

  #contradiction(volume: VolumeDraft, place: string, field: string, sentence: string): void {
    this.#problems.add(volume.mirror, 'contradiction', place, sentence, volume.mirror)
    doubtOnce(volume, { code: 'contradiction', field })
  }

  #doubt(code: ProblemCode, place: string, sentence: string): void {
    this.#problems.add(this.#name, code, place, sentence, this.#name)
    this.#isDoubted = true
  }
}

/** `suspended-WORD: true` for each word; releases that know only `suspended` do not say by what. */
function ioSuspendedBy(resource: Members): readonly string[] | null {
  const suspended = resource.get('suspended')
  if (typeof suspended === 'string') return suspendedParts(suspended)
  const prefix = 'suspended-'
  const words = [...resource].flatMap(([key, is]) =>
    is === true && key.startsWith(prefix) ? key.slice(prefix.length) : [],
  )
  if (words.length > 0) return words
  return typeof suspended === 'boolean' ? (suspended ? ['yes'] : []) : null
}

function readDevice(volume: VolumeDraft, members: Members): void {
  volume.disk = wordOf(members.get('disk-state'))
  volume.intentionalClient = flagOf(members.get('client'))
  volume.quorum = flagOf(members.get('quorum'))
  volume.sizeBytes = scaleKib(count(members.get('size')))
  for (const doubt of strangersOf(members, null)) doubtOnce(volume, doubt)
}

function peerName(connection: Members): string {
  return wordOf(connection.get('name')) ?? String(count(connection.get('peer-node-id')) ?? '?')
}

function readPeer(volume: VolumeDraft, { members: connection, strangers, devices }: Connection): void {
  const members: Members = devices.get(volume) ?? new Map()
  const peer = emptyPeer(peerName(connection))
  peer.connection = wordOf(connection.get('connection-state'))
  peer.replication = wordOf(members.get('replication-state'))
  peer.peerDisk = wordOf(members.get('peer-disk-state'))
  peer.intentionalClient = flagOf(members.get('peer-client'))
  const suspended = wordOf(members.get('resync-suspended'))
  peer.resyncSuspended = suspended === null ? null : suspendedParts(suspended)
  peer.outOfSyncBytes = scaleKib(count(members.get('out-of-sync')))
  peer.movedBytes = sumOfKnown(scaleKib(count(members.get('received'))), scaleKib(count(members.get('sent'))))
  readFigures(peer, members)
  for (const doubt of strangers) doubtOnce(volume, doubt)
  for (const doubt of strangersOf(members, peer.peer)) doubtOnce(volume, doubt)
  volume.peers.push(peer)
}

/** Of `percent-in-sync` nothing is read: it is of the device, not of the resync. */
function readFigures(peer: PeerDraft, members: Members): void {
  const meaning = peer.replication === null ? null : wordMeaning(REPLICATION_WORDS, peer.replication)
  if (meaning === null || meaning.kind === 'off' || meaning.kind === 'steady') return
  const total = count(members.get('rs-total'))
  const left = count(members.get('ov-left'))
  const verified = meaning.kind === 'verify' && total !== null && total > 0 && left !== null ? 1 - left / total : null
  peer.totalBytes = scaleSectors(total)
  peer.progress = verified ?? percentToFraction(members.get('percent-resync-done'))
  peer.etaSeconds = estimateSeconds(count(members.get('estimated-seconds-to-finish')))
}

/** The doubts that keys give which are not known and say a word of state. */
function strangersOf(members: Members, peer: string | null): readonly DrbdDoubt[] {
  const doubts: DrbdDoubt[] = []
  for (const [field, word] of members) {
    if (doubts.length >= MAX_STRANGERS) break
    if (typeof word !== 'string' || WORD_KEYS.has(field) || !isStateWord(word)) continue
    doubts.push({ code: 'unknown-word', field, word, ...(peer === null ? {} : { peer }) })
  }
  return doubts
}

function listOf(value: unknown): (Members | null)[] {
  return Array.isArray(value) ? value.map(membersOf) : []
}

function membersOf(value: unknown): Members | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return new Map(Object.entries(value).map(([key, member]): [string, unknown] => [key.replaceAll('_', '-'), member]))
}

function wordOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function flagOf(value: unknown): boolean | null {
  return typeof value === 'boolean' ? value : typeof value === 'string' ? yesNo(value) : null
}
