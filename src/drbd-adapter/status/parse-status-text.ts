import { type DrbdVolume, REPLICATION_WORDS, wordMeaning } from '../../sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../../sync-query/judge/judge-drbd.ts'
import {
  count,
  estimateSeconds,
  percentToFraction,
  scaleKib,
  sumOfKnown,
  suspendedParts,
  totalFromDone,
  yesNo,
} from '../drbd-words.ts'
import { ProblemList } from '../problem-list.ts'
import { type DrbdSnapshot, emptyPeer, emptyVolume, type PeerDraft, type VolumeDraft } from './snapshot.ts'
import { type KeyWord, type ResourceSection, statusSections } from './status-text-sections.ts'
import { OWN_KEYS, PEER_KEYS, type Section, SectionReader, type SectionWords } from './status-text-words.ts'
import { doubtOnce, UniqueVolumes } from './unique-volumes.ts'

/** Keys that only DRBD 9 prints. */
const DRBD_9_KEYS = new Set([
  'node-id',
  'quorum',
  'client',
  'peer-client',
  'backing_dev',
  'ap-in-flight',
  'force-io-failures',
])

/** DRBD allows 31. */
const MAX_PEERS = 64

/**
 * Parses `drbdsetup status [--verbose] [--statistics]` and `drbdadm status` of 8.4 and 9, brief or verbose. Fills in words that the
 * brief form omits, by drbdsetup's own rules; other missing words are `null`. Never throws.
 */
export function parseStatusText(text: string): DrbdSnapshot {
  const problems = new ProblemList()
  const { resources, isWhole } = statusSections(text.replaceAll('\r', ''), problems)
  doubtBeforePeers(resources, problems)
  const uniqueVolumes = new UniqueVolumes(problems)
  for (const resource of resources) readResource(resource, uniqueVolumes, problems)
  // `drbdsetup status` of 8.4 prints nothing when nothing is configured.
  if (text.trim() === '') problems.add(null, 'nothing-configured', 'line 1', 'The text is empty', '')
  return { understood: isWhole, volumes: uniqueVolumes.volumes, problems: problems.all() }
}

/**
 * Doubts each resource that is followed by one that may be its own peer: a peer that lost its indentation has the name and the `role:` of a
 * resource, and the resource before it would be judged without that peer. Every form prints `suspended:` or `disk:` of a resource before
 * any key of a peer (resource_status in drbdsetup.c). In the brief form a resource without volumes has neither, like a peer.
 */
function doubtBeforePeers(resources: readonly ResourceSection[], problems: ProblemList): void {
  let before: ResourceSection | null = null
  for (const resource of resources) {
    const first = resource.words.find(({ key }) => OWN_KEYS.has(key) || PEER_KEYS.has(key))
    if (before !== null && (first === undefined || PEER_KEYS.has(first.key))) {
      before.isGarbled = true
      problems.add(before.name, 'bad-line', `line ${resource.line}`, 'Either a resource or a peer', resource.name)
    }
    before = resource
  }
}

/**
 * Determines the DRBD version of one resource: 8.4 names every peer `peer` and has none of 9's keys. `null` for a brief text without a
 * peer. Other resources prove nothing about this one.
 */
function familyOf({ words: own, peers }: ResourceSection): DrbdVolume['family'] {
  const isDrbd9 = ({ key }: KeyWord) => DRBD_9_KEYS.has(key)
  if (own.some(isDrbd9) || peers.some(({ name, words }) => name !== 'peer' || words.some(isDrbd9))) return '9'
  const isVerbose = own.some(({ key, word }) => key === 'suspended' && word === 'no')
  return isVerbose || peers.length > 0 ? '8.4' : null
}

function readResource(resource: ResourceSection, uniqueVolumes: UniqueVolumes, problems: ProblemList): void {
  const family = familyOf(resource)
  const read = new SectionReader(resource.name, problems)
  const own = read.section(resource.words, OWN_KEYS, PEER_KEYS)
  const peers = resource.peers.slice(0, MAX_PEERS).map(({ name, line, words }) => ({
    name,
    line,
    section: read.section(words, PEER_KEYS, OWN_KEYS),
  }))
  if (resource.peers.length > MAX_PEERS)
    read.doubt(resource.line, 'too-many', 'More peers than DRBD allows', 'peer', '')
  const names = new Set<string>()
  for (const { name, line } of peers) {
    if (names.has(name)) read.doubt(line, 'contradiction', 'The peer occurs twice', 'peer', name)
    names.add(name)
  }
  const volumes = new Map<string, VolumeDraft>()
  for (const { volumes: each } of [own, ...peers.map(({ section }) => section)]) {
    for (const number of each.keys()) {
      if (!volumes.has(number)) volumes.set(number, emptyVolume(`${resource.name}/${number}`, family))
    }
  }
  // A misplaced word belongs to some volume, even if none is named.
  if (volumes.size === 0 && read.doubts.length > 0) volumes.set('0', emptyVolume(`${resource.name}/0`, family))
  const shared = (key: string) => own.shared.words.get(key)?.word
  for (const [number, volume] of volumes) {
    // The brief form prints `suspended:` and `force-io-failures:` only if they are set (resource_status).
    volume.ioSuspended = suspendedParts(shared('suspended') ?? 'no')
    volume.forcesIoFailures = shared('force-io-failures') === 'yes'
    uniqueVolumes.add(volume, `line ${resource.line}`)
    const words = own.volumes.get(number)
    if (words !== undefined) readDevice(volume, words, uniqueVolumes)
    for (const doubt of read.doubts) doubtOnce(volume, doubt)
    doubtUnknown(volume, own.unknown, null)
    for (const { name, section } of peers) readPeer(volume, name, section, section.volumes.get(number) ?? null)
    if (resource.isGarbled) volume.doubts.push({ code: 'word-missing', field: 'status' })
    // Lines may be missing; they could only make the state worse.
    if (resource.isCut && judgeDrbdVolume(volume).state === 'synced') volume.doubts.push({ code: 'dump-incomplete' })
  }
}

function readDevice(volume: VolumeDraft, { words }: SectionWords, uniqueVolumes: UniqueVolumes): void {
  const { disk, client, quorum, size, minor } = Object.fromEntries(words)
  volume.disk = disk?.word ?? null
  volume.intentionalClient = client === undefined ? null : yesNo(client.word)
  volume.quorum = quorum === undefined ? null : yesNo(quorum.word)
  volume.sizeBytes = scaleKib(count(size?.word))
  if (minor !== undefined) uniqueVolumes.addMinor(minor.word, volume, `line ${minor.line}`)
}

function readPeer(volume: VolumeDraft, name: string, { shared, unknown }: Section, own: SectionWords | null): void {
  const peer = emptyPeer(name)
  const wordOf = (key: string) => (own?.words.get(key) ?? shared.words.get(key))?.word ?? null
  const suspended = wordOf('resync-suspended')
  const client = wordOf('peer-client')
  peer.connection = wordOf('connection')
  peer.replication = wordOf('replication')
  peer.peerDisk = wordOf('peer-disk')
  peer.intentionalClient = client === null ? null : yesNo(client)
  peer.resyncSuspended = suspended === null ? null : suspendedParts(suspended)
  peer.outOfSyncBytes = scaleKib(count(wordOf('out-of-sync')))
  peer.movedBytes = sumOfKnown(scaleKib(count(wordOf('sent'))), scaleKib(count(wordOf('received'))))
  peer.etaSeconds = estimateSeconds(count(wordOf('eta')))
  doubtUnknown(volume, unknown, name)
  // The brief form prints `connection:` only if it is not Connected, and `role:` only if it is (connection_status).
  if (peer.connection === null && shared.hasRole) peer.connection = 'Connected'
  // It prints `replication:` only above Established, `peer-disk:` unless Off and DUnknown, `resync-suspended:` unless no
  // (peer_device_status). A connected peer with replication Off knows no disk of the other side.
  if (peer.connection === 'Connected' && peer.peerDisk !== null) peer.replication ??= 'Established'
  if (own !== null) peer.resyncSuspended ??= []
  setProgress(peer, percentToFraction(wordOf('done')), volume)
  volume.peers.push(peer)
}

/**
 * Sets progress and total. On 9 `done:` is that of the resync or verify. On 8.4 it is 100·(1 − out-of-sync / device size), which differs
 * from /proc/drbd and has no meaning in a verify (8.4.11 prints 100.00 during all of it).
 */
function setProgress(peer: PeerDraft, done: number | null, { family, sizeBytes }: VolumeDraft): void {
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

/** Doubts the volume for unknown keys that may decide its state. */
function doubtUnknown(volume: VolumeDraft, unknown: readonly KeyWord[], peer: string | null): void {
  for (const { key, word } of unknown)
    doubtOnce(volume, { code: 'unknown-word', field: key, word, ...(peer === null ? {} : { peer }) })
}
