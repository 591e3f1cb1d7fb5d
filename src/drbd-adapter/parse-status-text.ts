import { type DrbdVolume, REPLICATION_WORDS, wordMeaning } from '../sync-query/drbd.ts'
import { judgeDrbdVolume } from '../sync-query/judge-drbd.ts'
import type { Problem } from '../sync-query/judgement.ts'
import {
  count,
  estimateSeconds,
  isStateWord,
  percentToFraction,
  scaleKib,
  sumOfKnown,
  suspendedParts,
  totalFromDone,
  yesNo,
} from './drbd-words.ts'
import { problem } from './problem.ts'
import { type DrbdSnapshot, type PeerDraft, unsaidPeer, unsaidVolume, type VolumeDraft } from './snapshot.ts'
import { type KeyWord, type ResourceSection, statusSections } from './status-text-sections.ts'

/** Keys that only DRBD 9 prints, and the one that only the verbose form of either prints with `no`. */
const NINE_KEYS = new Set([
  'node-id',
  'quorum',
  'client',
  'peer-client',
  'backing_dev',
  'ap-in-flight',
  'force-io-failures',
])

/** Keys whose values may be DRBD's state words, or the name of a path. */
const WORD_KEYS = new Set(['role', 'disk', 'connection', 'replication', 'peer-disk', 'backing_dev', 'write-ordering'])

/**
 * Reads `drbdsetup status [--verbose] [--statistics]` and `drbdadm status` of 8.4 and 9, brief or verbose. Words that
 * the brief form leaves out are filled in by drbdsetup's own rules; those not said are `null`. Never throws.
 */
export function parseStatusText(text: string): DrbdSnapshot {
  const { resources, problems: read } = statusSections(text.replaceAll('\r', ''))
  const problems: Problem[] = [...read]
  const family = familyOf(resources)
  const volumes = resources.flatMap(resource => resourceVolumes(resource, family))
  const isNothing = text.trim() === ''
  // `drbdsetup status` of 8.4 says nothing at all when nothing is configured.
  if (isNothing) problems.push(problem(null, 'nothing-configured', 'Nothing was said', ''))
  const isRefusal = resources.length === 0 && read.some(({ code }) => code === 'bad-line' || code === 'line-cut')
  return { understood: !isRefusal, volumes, problems }
}

/** 8.4 names every peer `peer` and has none of 9's keys; of a brief text without any peer it cannot be told. */
function familyOf(resources: readonly ResourceSection[]): DrbdVolume['family'] {
  const words = resources.flatMap(({ words: own, peers }) => [...own, ...peers.flatMap(peer => peer.words)])
  const peers = resources.flatMap(({ peers: each }) => each)
  if (words.some(({ key }) => NINE_KEYS.has(key)) || peers.some(({ name }) => name !== 'peer')) return '9'
  const isVerbose = words.some(({ key, word }) => key === 'suspended' && word === 'no')
  return isVerbose || peers.length > 0 ? '8.4' : null
}

function resourceVolumes(resource: ResourceSection, family: DrbdVolume['family']): DrbdVolume[] {
  const volumes = new Map<string, VolumeDraft>()
  const volumeOf = (number: string): VolumeDraft => {
    const volume = volumes.get(number) ?? unsaidVolume(`${resource.name}/${number}`, family)
    volumes.set(number, volume)
    return volume
  }
  const own = byVolume(resource.words)
  const peers = resource.peers.map(({ name, words }) => ({ name, ...byVolume(words) }))
  for (const number of [own, ...peers].flatMap(({ volumes: each }) => [...each.keys()])) volumeOf(number)
  const shared = new Map(own.shared.map(({ key, word }) => [key, word]))
  for (const [number, words] of own.volumes) for (const word of words) readDeviceWord(volumeOf(number), word)
  for (const [number, volume] of volumes) {
    // The brief form says `suspended:` and `force-io-failures:` only where they are (resource_status).
    volume.ioSuspended = suspendedParts(shared.get('suspended') ?? 'no')
    volume.forcesIoFailures = shared.get('force-io-failures') === 'yes'
    for (const { name, shared, volumes: each } of peers) readPeer(volume, name, shared, each.get(number) ?? null)
    if (resource.isGarbled) volume.doubts.push({ code: 'word-missing', field: 'status' })
    // More lines may have stood there; they could only have brought bad news.
    if (resource.isCut && judgeDrbdVolume(volume).state === 'synced') volume.doubts.push({ code: 'dump-incomplete' })
  }
  return [...volumes.values()]
}

interface VolumeWords {
  /** Said before any volume: of the resource or of the connection. */
  readonly shared: readonly KeyWord[]
  readonly volumes: ReadonlyMap<string, readonly KeyWord[]>
}

/** Keys that begin a volume where `volume:0` was left out, as it is for a single one (device_status in drbdsetup.c). */
const VOLUME_KEYS = new Set(['disk', 'peer-disk', 'replication', 'resync-suspended', 'peer-client', 'client', 'quorum'])

function byVolume(words: readonly KeyWord[]): VolumeWords {
  const shared: KeyWord[] = []
  const volumes = new Map<string, KeyWord[]>()
  let current: KeyWord[] | null = null
  for (const each of words) {
    if (each.key === 'volume' || (current === null && VOLUME_KEYS.has(each.key))) {
      const number = each.key === 'volume' ? each.word : '0'
      current = volumes.get(number) ?? []
      volumes.set(number, current)
    }
    if (each.key !== 'volume') (current ?? shared).push(each)
  }
  return { shared, volumes }
}

function readDeviceWord(volume: VolumeDraft, { key, word }: KeyWord): void {
  if (key === 'disk') volume.disk = word
  else if (key === 'client') volume.intentionalClient = yesNo(word)
  else if (key === 'quorum') volume.quorum = yesNo(word)
  else if (key === 'size') volume.sizeBytes = scaleKib(count(word))
  else doubtStranger(volume, key, word, null)
}

function readPeer(
  volume: VolumeDraft,
  name: string,
  shared: readonly KeyWord[],
  words: readonly KeyWord[] | null,
): void {
  const peer = unsaidPeer(name)
  let done: number | null = null
  for (const { key, word } of [...shared, ...(words ?? [])]) {
    if (key === 'connection') peer.connection = word
    else if (key === 'replication') peer.replication = word
    else if (key === 'peer-disk') peer.peerDisk = word
    else if (key === 'peer-client') peer.intentionalClient = yesNo(word)
    else if (key === 'resync-suspended') peer.resyncSuspended = suspendedParts(word)
    else if (key === 'out-of-sync') peer.outOfSyncBytes = scaleKib(count(word))
    else if (key === 'received' || key === 'sent') peer.movedBytes = sumOfKnown(peer.movedBytes, scaleKib(count(word)))
    else if (key === 'done') done = percentToFraction(word)
    else if (key === 'eta') peer.etaSeconds = estimateSeconds(count(word))
    else doubtStranger(volume, key, word, name)
  }
  // The brief form says `connection:` only where it is not Connected, and `role:` only where it is (connection_status).
  if (peer.connection === null && shared.some(({ key }) => key === 'role')) peer.connection = 'Connected'
  // It says `replication:` only above Established, `peer-disk:` unless Off and DUnknown, `resync-suspended:` unless no
  // (peer_device_status). A connected peer that is Off knows no disk of the other side.
  if (peer.connection === 'Connected' && peer.peerDisk !== null) peer.replication ??= 'Established'
  if (words !== null) peer.resyncSuspended ??= []
  readFigures(peer, done, volume)
  volume.peers.push(peer)
}

/**
 * On 9 `done:` is of the resync or verify. On 8.4 it is 100·(1 − out-of-sync / device size): another figure than that of
 * /proc/drbd, and meaningless in a verify (8.4.11 said 100.00 all through one).
 */
function readFigures(peer: PeerDraft, done: number | null, { family, sizeBytes }: VolumeDraft): void {
  const meaning = peer.replication === null ? null : wordMeaning(REPLICATION_WORDS, peer.replication)
  if (meaning === null || meaning.kind === 'off' || meaning.kind === 'steady') return
  if (meaning.kind === 'verify') {
    peer.progress = family === '9' ? done : null
    return
  }
  peer.progress = done
  if (family === '9') peer.totalBytes = totalFromDone(peer.outOfSyncBytes, done)
  else if (peer.outOfSyncBytes !== null) peer.totalBytes = sizeBytes
}

/** Doubts the volume if a key that is not known says a word of state. */
function doubtStranger(volume: VolumeDraft, field: string, word: string, peer: string | null): void {
  if (WORD_KEYS.has(field) || !isStateWord(word)) return
  volume.doubts.push({ code: 'unknown-word', field, word, ...(peer === null ? {} : { peer }) })
}
