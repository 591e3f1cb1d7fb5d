import { REPLICATION_WORDS, wordMeaning } from '../sync-query/drbd.ts'
import type { Problem } from '../sync-query/judgement.ts'
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
} from './drbd-words.ts'
import { problem } from './problem.ts'
import { type DrbdSnapshot, type PeerDraft, unsaidPeer, unsaidVolume, type VolumeDraft } from './snapshot.ts'

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

/**
 * Reads `drbdsetup status --json [--verbose --statistics]` of drbd-utils 9 (8.4 has no JSON). Keys may be missing or
 * new; what was not said is `null`. Anything that is no whole document is not understood. Never throws.
 */
export function parseStatusJson(text: string): DrbdSnapshot {
  const json = text.replace(/^#.*$/gm, '').trim()
  if (json === '') {
    // Old releases print this banner where JSON was asked for (drbd-utils d0e274a1); without it a tool was cut short.
    const isBanner = /^# No currently configured DRBD found/m.test(text)
    const code = isBanner ? 'nothing-configured' : 'empty-output'
    return { understood: isBanner, volumes: [], problems: [problem(null, code, 'No document', text.trim())] }
  }
  const document = parseLoosely(json)
  if (!Array.isArray(document)) {
    return {
      understood: false,
      volumes: [],
      problems: [problem(null, 'not-this-format', 'No list of resources', json)],
    }
  }
  const volumes: VolumeDraft[] = []
  const problems: Problem[] = []
  let understood = true
  for (const each of document) {
    const resource = membersOf(each)
    const name = resource?.get('name')
    if (resource === null || typeof name !== 'string' || name === '') {
      problems.push(problem(null, 'word-missing', 'A resource without a name', JSON.stringify(each)))
      understood = false
    } else volumes.push(...resourceVolumes(name, resource, problems))
  }
  return { understood, volumes, problems }
}

/** `undefined` if it is no JSON. Releases before drbd-utils 10429303 printed figures that C calls nan and inf. */
function parseLoosely(json: string): unknown {
  for (const candidate of [json, json.replace(/(":\s*)[-+]?(?:nan|inf|infinity)(?=\s*[,}\]])/gi, '$1null')]) {
    try {
      return JSON.parse(candidate)
    } catch {
      // The next candidate, or none.
    }
  }
  return undefined
}

function resourceVolumes(name: string, resource: Members, problems: Problem[]): VolumeDraft[] {
  const volumes = new Map<string, VolumeDraft>()
  const volumeOf = (members: Members): VolumeDraft | null => {
    const number = count(members.get('volume'))
    if (number === null) return null
    const mirror = `${name}/${number}`
    const volume = volumes.get(mirror) ?? unsaidVolume(mirror, '9')
    volumes.set(mirror, volume)
    return volume
  }
  let isWhole = true
  const ioSuspended = ioSuspendedBy(resource)
  const forcesIoFailures = flagOf(resource.get('force-io-failures'))
  for (const members of listOf(resource.get('devices'))) {
    const volume = members === null ? null : volumeOf(members)
    if (members === null || volume === null) isWhole = false
    else readDevice(volume, members)
  }
  const peers = listOf(resource.get('connections')).map(members => {
    const devices = new Map<VolumeDraft, Members>()
    for (const each of listOf(members?.get('peer-devices'))) {
      const volume = each === null ? null : volumeOf(each)
      if (each === null || volume === null) isWhole = false
      else devices.set(volume, each)
    }
    return { members: members ?? new Map<string, unknown>(), devices }
  })
  // Without the list no peer would be bad, which must not read as all peers are good.
  if (!Array.isArray(resource.get('connections')) || !Array.isArray(resource.get('devices'))) isWhole = false
  for (const volume of volumes.values()) {
    if (!isWhole) volume.doubts.push({ code: 'word-missing', field: 'volume' })
    volume.ioSuspended = ioSuspended
    volume.forcesIoFailures = forcesIoFailures
    doubtStrangers(volume, resource, null)
    for (const { members, devices } of peers) readPeer(volume, members, devices.get(volume) ?? new Map())
  }
  if (!isWhole) problems.push(problem(name, 'word-missing', 'Not all of the resource could be read', name))
  return [...volumes.values()]
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
  doubtStrangers(volume, members, null)
}

function readPeer(volume: VolumeDraft, connection: Members, members: Members): void {
  const peer = unsaidPeer(wordOf(connection.get('name')) ?? String(count(connection.get('peer-node-id')) ?? '?'))
  peer.connection = wordOf(connection.get('connection-state'))
  peer.replication = wordOf(members.get('replication-state'))
  peer.peerDisk = wordOf(members.get('peer-disk-state'))
  peer.intentionalClient = flagOf(members.get('peer-client'))
  const suspended = wordOf(members.get('resync-suspended'))
  peer.resyncSuspended = suspended === null ? null : suspendedParts(suspended)
  peer.outOfSyncBytes = scaleKib(count(members.get('out-of-sync')))
  peer.movedBytes = sumOfKnown(scaleKib(count(members.get('received'))), scaleKib(count(members.get('sent'))))
  readFigures(peer, members)
  doubtStrangers(volume, connection, peer.peer)
  doubtStrangers(volume, members, peer.peer)
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

/** Doubts the volume if a key that is not known says a word of state. */
function doubtStrangers(volume: VolumeDraft, members: Members, peer: string | null): void {
  for (const [field, word] of members) {
    if (typeof word !== 'string' || WORD_KEYS.has(field) || !isStateWord(word)) continue
    volume.doubts.push({ code: 'unknown-word', field, word, ...(peer === null ? {} : { peer }) })
  }
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
