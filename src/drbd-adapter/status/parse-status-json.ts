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
} from '../drbd-words.ts'
import { ProblemList } from '../problem-list.ts'
import { jsonFlaws } from './json-flaws.ts'
import { flagOf, listOf, type Members, membersOf, parseLoosely, placeOf, shallow, wordOf } from './json-members.ts'
import { type DrbdSnapshot, emptyPeer, emptyVolume, type PeerDraft, type VolumeDraft } from './snapshot.ts'
import { doubtOnce, UniqueVolumes } from './unique-volumes.ts'

/** Keys whose values can be DRBD's state words. Under any other key such a word may decide the state and is not understood. */
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

/** Maximum number of doubts about unknown keys of one object. */
const MAX_UNKNOWN = 4

/**
 * Parses `drbdsetup status --json [--verbose --statistics]` of drbd-utils 9 (8.4 has no JSON). Keys may be missing or new; a missing
 * value is `null`. A document that is not complete is not understood. Never throws.
 */
export function parseStatusJson(text: string): DrbdSnapshot {
  // The comment lines become empty, so that line numbers stay.
  const json = text.replace(/^#.*$/gm, '')
  const problems = new ProblemList()
  if (json.trim() === '') {
    // Old releases print this banner in place of JSON (drbd-utils d0e274a1). Without it the output is truncated.
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
        const what = flaw.code === 'too-deep' ? 'Nested too deep' : 'The key occurs twice'
        problems.add(name, flaw.code, `${flaw.path} (line ${flaw.line})`, what, name)
      }
      const reader = new ResourceReader(name, place, problems, uniqueVolumes)
      if (!reader.read(resource, flaw !== undefined)) understood = false
    }
  }
  return { understood, volumes: uniqueVolumes.volumes, problems: problems.all() }
}

interface ParsedConnection {
  readonly members: Members
  readonly doubts: readonly DrbdDoubt[]
  readonly devices: ReadonlyMap<VolumeDraft, Members>
}

/** Parses one resource. */
class ResourceReader {
  readonly #name: string
  readonly #place: string
  readonly #problems: ProblemList
  readonly #uniqueVolumes: UniqueVolumes
  readonly #volumes = new Map<number, VolumeDraft>()
  /** A part of it could not be parsed. */
  #isDoubted = false
  /** A volume has no number, so it is not among `#volumes`. */
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
      if (seen.has(volume)) this.#contradiction(volume, place, 'volume', 'The volume occurs twice')
      seen.add(volume)
      readDevice(volume, members)
      const minor = count(members.get('minor'))
      if (minor !== null) this.#uniqueVolumes.addMinor(String(minor), volume, place)
    }
    const peers = this.#list(resource, 'connections')
    if (peers.length > MAX_PEERS) this.#doubt('too-many', this.#place, 'More peers than DRBD allows')
    const connections = peers.slice(0, MAX_PEERS).map((members, index) => this.#connection(members, index))
    this.#doubtDuplicatePeers(connections)
    const doubts = doubtsOfUnknown(resource, null)
    const ioSuspended = ioSuspendedBy(resource)
    const forcesIoFailures = flagOf(resource.get('force-io-failures'))
    for (const volume of this.#volumes.values()) {
      volume.ioSuspended = ioSuspended
      volume.forcesIoFailures = forcesIoFailures
      this.#uniqueVolumes.add(volume, this.#place)
      if (this.#isDoubted) doubtOnce(volume, { code: 'word-missing', field: 'volume' })
      if (isFlawed) doubtOnce(volume, { code: 'contradiction', field: 'json' })
      for (const doubt of doubts) doubtOnce(volume, doubt)
      for (const connection of connections) readPeer(volume, connection)
    }
    return !this.#hidesVolume
  }

  #connection(members: Members | null, index: number): ParsedConnection {
    const place = `${this.#place}.connections[${index}]`
    const devices = new Map<VolumeDraft, Members>()
    if (members === null) this.#doubt('word-missing', place, 'No object')
    else if (members.has('peer-devices') && !Array.isArray(members.get('peer-devices')))
      this.#doubt('word-missing', `${place}.peer_devices`, 'No list')
    for (const [nth, each] of listOf(members?.get('peer-devices')).entries()) {
      const at = `${place}.peer_devices[${nth}]`
      const volume = this.#volumeOf(each, at)
      if (each === null || volume === null) continue
      if (devices.has(volume)) this.#contradiction(volume, at, 'volume', 'The volume occurs twice')
      devices.set(volume, each)
    }
    const known = members ?? new Map<string, unknown>()
    return { members: known, doubts: doubtsOfUnknown(known, peerName(known)), devices }
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

  /** A missing list must not look like a list without bad peers. */
  #list(resource: Members, key: 'devices' | 'connections'): (Members | null)[] {
    if (!Array.isArray(resource.get(key))) {
      this.#doubt('word-missing', `${this.#place}.${key}`, 'No list')
      if (key === 'devices') this.#hidesVolume = true
    }
    return listOf(resource.get(key))
  }

  #doubtDuplicatePeers(connections: readonly ParsedConnection[]): void {
    const names = new Set<string>()
    for (const [index, { members }] of connections.entries()) {
      const name = peerName(members)
      if (names.has(name)) {
        for (const volume of this.#volumes.values())
          doubtOnce(volume, { code: 'contradiction', field: 'peer', word: name })
        const place = `${this.#place}.connections[${index}]`
        this.#problems.add(this.#name, 'contradiction', place, 'The peer occurs twice', name)
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

/** Parses `suspended-WORD: true` for each word. Releases that have only `suspended` do not name the cause. */
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
  for (const doubt of doubtsOfUnknown(members, null)) doubtOnce(volume, doubt)
}

function peerName(connection: Members): string {
  return wordOf(connection.get('name')) ?? String(count(connection.get('peer-node-id')) ?? '?')
}

function readPeer(volume: VolumeDraft, { members: connection, doubts, devices }: ParsedConnection): void {
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
  setProgress(peer, members)
  for (const doubt of doubts) doubtOnce(volume, doubt)
  for (const doubt of doubtsOfUnknown(members, peer.peer)) doubtOnce(volume, doubt)
  volume.peers.push(peer)
}

/** Sets progress, total and estimate. Ignores `percent-in-sync`, which is of the device, not of the resync. */
function setProgress(peer: PeerDraft, members: Members): void {
  const meaning = peer.replication === null ? null : wordMeaning(REPLICATION_WORDS, peer.replication)
  if (meaning === null || meaning.kind === 'off' || meaning.kind === 'steady') return
  const total = count(members.get('rs-total'))
  const left = count(members.get('ov-left'))
  const verified = meaning.kind === 'verify' && total !== null && total > 0 && left !== null ? 1 - left / total : null
  peer.totalBytes = scaleSectors(total)
  peer.progress = verified ?? percentToFraction(members.get('percent-resync-done'))
  peer.etaSeconds = estimateSeconds(count(members.get('estimated-seconds-to-finish')))
}

/** The doubts about unknown keys with a state word. */
function doubtsOfUnknown(members: Members, peer: string | null): readonly DrbdDoubt[] {
  const doubts: DrbdDoubt[] = []
  for (const [field, word] of members) {
    if (doubts.length >= MAX_UNKNOWN) break
    if (typeof word !== 'string' || WORD_KEYS.has(field) || !isStateWord(word)) continue
    doubts.push({ code: 'unknown-word', field, word, ...(peer === null ? {} : { peer }) })
  }
  return doubts
}
