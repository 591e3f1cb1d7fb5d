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

/** DRBD allows 31. */
const MAX_PEERS = 64

/**
 * Reads `drbdsetup status [--verbose] [--statistics]` and `drbdadm status` of 8.4 and 9, brief or verbose. SectionWords that
 * the brief form leaves out are filled in by drbdsetup's own rules; those not said are `null`. Never throws.
 */
export function parseStatusText(text: string): DrbdSnapshot {
  const problems = new ProblemList()
  const { resources, isWhole } = statusSections(text.replaceAll('\r', ''), problems)
  const uniqueVolumes = new UniqueVolumes(problems)
  for (const resource of resources) readResource(resource, uniqueVolumes, problems)
  // `drbdsetup status` of 8.4 says nothing at all when nothing is configured.
  if (text.trim() === '') problems.add(null, 'nothing-configured', 'line 1', 'Nothing was said', '')
  return { understood: isWhole, volumes: uniqueVolumes.volumes, problems: problems.all() }
}

/**
 * Of each resource for itself: 8.4 names every peer `peer` and has none of 9's keys; of a brief text without any peer it
 * cannot be told, and what is said of another resource proves nothing of this one.
 */
function familyOf({ words: own, peers }: ResourceSection): DrbdVolume['family'] {
  const isNine = ({ key }: KeyWord) => NINE_KEYS.has(key)
  if (own.some(isNine) || peers.some(({ name, words }) => name !== 'peer' || words.some(isNine))) return '9'
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
    if (names.has(name)) read.doubt(line, 'contradiction', 'A peer that was there before', 'peer', name)
    names.add(name)
  }
  const volumes = new Map<string, VolumeDraft>()
  for (const { volumes: each } of [own, ...peers.map(({ section }) => section)]) {
    for (const number of each.keys()) {
      if (!volumes.has(number)) volumes.set(number, emptyVolume(`${resource.name}/${number}`, family))
    }
  }
  // What was said in the wrong place is of some volume, even if none is named.
  if (volumes.size === 0 && read.doubts.length > 0) volumes.set('0', emptyVolume(`${resource.name}/0`, family))
  const shared = (key: string) => own.shared.words.get(key)?.word
  for (const [number, volume] of volumes) {
    // The brief form says `suspended:` and `force-io-failures:` only where they are (resource_status).
    volume.ioSuspended = suspendedParts(shared('suspended') ?? 'no')
    volume.forcesIoFailures = shared('force-io-failures') === 'yes'
    uniqueVolumes.add(volume, `line ${resource.line}`)
    const words = own.volumes.get(number)
    if (words !== undefined) readDevice(volume, words, uniqueVolumes)
    for (const doubt of read.doubts) doubtOnce(volume, doubt)
    for (const strangers of [own.shared.strangers, words?.strangers ?? []]) doubtStrangers(volume, strangers, null)
    for (const { name, section } of peers) readPeer(volume, name, section, section.volumes.get(number) ?? null)
    if (resource.isGarbled) volume.doubts.push({ code: 'word-missing', field: 'status' })
    // More lines may have stood there; they could only have brought bad news.
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

function readPeer(volume: VolumeDraft, name: string, { shared }: Section, own: SectionWords | null): void {
  const peer = emptyPeer(name)
  const said = (key: string) => (own?.words.get(key) ?? shared.words.get(key))?.word ?? null
  const suspended = said('resync-suspended')
  const client = said('peer-client')
  peer.connection = said('connection')
  peer.replication = said('replication')
  peer.peerDisk = said('peer-disk')
  peer.intentionalClient = client === null ? null : yesNo(client)
  peer.resyncSuspended = suspended === null ? null : suspendedParts(suspended)
  peer.outOfSyncBytes = scaleKib(count(said('out-of-sync')))
  peer.movedBytes = sumOfKnown(scaleKib(count(said('sent'))), scaleKib(count(said('received'))))
  peer.etaSeconds = estimateSeconds(count(said('eta')))
  for (const strangers of [shared.strangers, own?.strangers ?? []]) doubtStrangers(volume, strangers, name)
  // The brief form says `connection:` only where it is not Connected, and `role:` only where it is (connection_status).
  if (peer.connection === null && shared.hasRole) peer.connection = 'Connected'
  // It says `replication:` only above Established, `peer-disk:` unless Off and DUnknown, `resync-suspended:` unless no
  // (peer_device_status). A connected peer that is Off knows no disk of the other side.
  if (peer.connection === 'Connected' && peer.peerDisk !== null) peer.replication ??= 'Established'
  if (own !== null) peer.resyncSuspended ??= []
  readFigures(peer, percentToFraction(said('done')), volume)
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

/** Doubts the volume for keys that are not known and say a word of state. */
function doubtStrangers(volume: VolumeDraft, strangers: readonly KeyWord[], peer: string | null): void {
  for (const { key, word } of strangers)
    doubtOnce(volume, { code: 'unknown-word', field: key, word, ...(peer === null ? {} : { peer }) })
}
