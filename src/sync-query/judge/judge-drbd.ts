import { type Reason, reason, stateFromReasons } from '../reason/reason.ts'
import type { Candidate } from '../reason/reason-kind.ts'
import { type ConfiguredPeer, type ConfiguredPeers, missingPeers, peerLabel } from './configured-peers.ts'
import { CONNECTION_WORDS, DISK_WORDS, type DrbdVolume, wordMeaning } from './drbd.ts'
import { drbdFigures, isClientDisk, type ReadPeer, readPeer, sideOf } from './drbd-figures.ts'
import { countReplicas, placementOf } from './drbd-placement.ts'
import { connectionReason, driftReason, peerDiskReason, replicationReason } from './judge-drbd-peer.ts'
import type { Judgement } from './judgement.ts'
import type { Placement } from './placement.ts'

/**
 * Judges one reading of a DRBD volume. The rule is positive: `synced` only if every required value is present, known and well, and every
 * configured peer exists. Bytes; progress 0..1. Never throws.
 *
 * @param configured `null`: no configuration names the volume, so its expected peers are not known
 */
export function judgeDrbdVolume(volume: DrbdVolume, configured: ConfiguredPeers | null = null): Judgement {
  const { mirror } = volume
  const peers = volume.peers.map(readPeer)
  const missing = peersMissingIn(volume, configured)
  const placement = placementOf(volume, missing, configured)
  const replicas = countReplicas(placement)
  const reasons: Reason[] = []
  for (const { code, ...details } of volume.doubts) reasons.push(reason(code, mirror, details))
  if (volume.configured) {
    const noneCurrent = noCurrentReplica(volume)
    // It replaces the reasons of the single disks, which have other remedies.
    add(reasons, noneCurrent ?? diskReason(volume, peers))
    for (const peer of peers) {
      add(reasons, connectionReason(volume, peer.shown))
      add(reasons, replicationReason(mirror, peer))
      if (noneCurrent === null) add(reasons, peerDiskReason(volume, peer))
      add(reasons, driftReason(volume, peer))
    }
    addAbsenceReasons(reasons, volume, replicas.expected, missing)
    add(reasons, singleCopyReason(volume, placement, replicas.expected, configured))
    if (configured !== null && configured.doubt !== null) {
      reasons.push(reason('peers-unclear', mirror, { word: configured.doubt }))
    }
    addIoReasons(reasons, volume)
  } else reasons.push(reason('not-configured', mirror))
  const figures = drbdFigures(peers)
  const { activity, moving, progress, doneBytes, totalBytes, etaSeconds, outOfSyncBytes: owed, movedBytes } = figures
  return {
    mirror,
    backend: 'drbd',
    state: stateFromReasons(reasons),
    activity,
    moving,
    progress,
    doneBytes,
    totalBytes,
    etaSeconds,
    outOfSyncBytes: owed ?? volume.aloneOutOfSyncBytes,
    movedBytes,
    replicas,
    placement,
    reasons,
  }
}

function add(reasons: Reason[], found: Reason | null): void {
  if (found !== null) reasons.push(found)
}

/** A problem of the local disk that no running resync repairs. */
function diskReason({ mirror, disk, intentionalClient }: DrbdVolume, peers: readonly ReadPeer[]): Reason | null {
  const field = 'disk'
  if (disk === null) return reason('word-missing', mirror, { field })
  const meaning = wordMeaning(DISK_WORDS, disk)
  if (meaning === null) return reason('unknown-word', mirror, { field, word: disk })
  if (meaning === 'good' || isClientDisk(disk, intentionalClient)) return null
  const beingRepaired = peers.some(peer => sideOf(peer) === 'target')
  if (meaning === 'old' && beingRepaired) return null
  const connected = peers.some(({ shown }) => shown.connection === 'Connected')
  const byTime = meaning === 'passing' || (meaning === 'old' && !connected)
  return reason('disk-not-up-to-date', mirror, { field, word: disk, clearedBy: byTime ? 'time' : 'operator' })
}

/**
 * No replica is current, neither this host's nor a peer's, and the state of each disk is known. Then nothing copies current data,
 * and nothing will: a resync between replicas that are not current waits for a source (08-no-source-deadlock).
 *
 * `Consistent` means that a replica may be current, which DRBD decides later; it does not count here.
 */
function noCurrentReplica(volume: DrbdVolume): Reason | null {
  const { mirror, disk, intentionalClient, peers, removedPeers, doubts } = volume
  const isClient = isClientDisk(disk, intentionalClient)
  if (peers.length === 0 || removedPeers.length > 0 || doubts.length > 0) return null
  const candidates: Candidate[] = []
  if (!isClient) {
    if (!isStale(disk)) return null
    candidates.push({ peer: 'self', word: disk })
  }
  for (const { peer, connection, peerDisk, intentionalClient: isPeerClient, outOfSyncBytes } of peers) {
    if (connection === 'Connected' ? isClientDisk(peerDisk, isPeerClient) : isPeerClient === true) continue
    if (connection !== 'Connected' || !isStale(peerDisk)) return null
    candidates.push({ peer, word: peerDisk, ...(isClient || outOfSyncBytes === null ? {} : { outOfSyncBytes }) })
  }
  if (candidates.length === 0) return null
  return reason('no-current-replica', mirror, { field: 'disk', missing: candidates.length, candidates })
}

/** The disk is known not to be current. */
function isStale(disk: string | null): disk is string {
  if (disk === null || disk === 'Consistent') return false
  const meaning = wordMeaning(DISK_WORDS, disk)
  return meaning === 'old' || meaning === 'gone'
}

const NO_PEERS: readonly ConfiguredPeer[] = []

/**
 * The configured peers that the kernel does not have. DRBD 8.4 shows no peer while it is StandAlone, and calls each one `peer`: a missing
 * peer has its own reason there.
 */
function peersMissingIn({ family, peers }: DrbdVolume, configured: ConfiguredPeers | null): readonly ConfiguredPeer[] {
  return configured === null || family !== '9' ? NO_PEERS : missingPeers(configured.peers, peers)
}

/** Adds reasons for missing peers, a missing replica and a lost quorum. */
function addAbsenceReasons(
  reasons: Reason[],
  volume: DrbdVolume,
  expectedReplicas: number,
  missing: readonly ConfiguredPeer[],
): void {
  const { mirror, family, peers, splitBrainPeers, removedPeers, quorum } = volume
  if (peers.length === 0 && family !== '9') {
    // DRBD 8.4 destroys the connection object at StandAlone: no bad peer does not mean that all peers are good.
    const { aloneOutOfSyncBytes: outOfSyncBytes } = volume
    const owed = outOfSyncBytes === null ? {} : { outOfSyncBytes }
    if (splitBrainPeers.length === 0) reasons.push(reason('stand-alone', mirror, { field: 'connection', ...owed }))
    for (const peer of splitBrainPeers) reasons.push(reason('split-brain', mirror, { peer, ...owed }))
  } else {
    for (const each of missing) {
      const peer = peerLabel(each)
      reasons.push(reason('peer-missing', mirror, peer === null ? {} : { peer }))
    }
    for (const peer of removedPeers) {
      if (!missing.some(each => peerLabel(each) === peer)) reasons.push(reason('peer-removed', mirror, { peer }))
    }
  }
  if (expectedReplicas === 0) {
    reasons.push(reason('disk-not-up-to-date', mirror, { field: 'disk', word: 'Diskless', missing: 1 }))
  }
  if (quorum === false) reasons.push(reason('quorum-lost', mirror, { field: 'quorum', word: 'no' }))
}

/** One replica has the data, with any number of clients. A peer that was just removed has its own reason. */
function singleCopyReason(
  { mirror, removedPeers }: DrbdVolume,
  { replicas: [own] }: Placement,
  expectedReplicas: number,
  configured: ConfiguredPeers | null,
): Reason | null {
  if (expectedReplicas !== 1 || removedPeers.length > 0) return null
  if (configured === null || configured.doubt !== null) return reason('single-copy', mirror)
  const withData = configured.peers.filter(({ diskless }) => !diskless).length + (own?.diskless === true ? 0 : 1)
  return reason('single-copy', mirror, withData === 1 ? { field: 'configuration' } : {})
}

/** Suspensions that DRBD ends by itself when a peer is back. */
const LIFTED_BY_PEERS: ReadonlySet<string> = new Set(['quorum', 'fencing'])

/** Adds warnings for stopped I/O: the copies may be equal, so the state of the mirror does not show it. */
function addIoReasons(reasons: Reason[], { mirror, ioSuspended, forcesIoFailures, peers }: DrbdVolume): void {
  if (ioSuspended !== null && ioSuspended.length > 0) {
    const isAwaited = peers.some(({ connection }) => {
      const meaning = connection === null ? null : wordMeaning(CONNECTION_WORDS, connection)
      return meaning === 'connected' || meaning === 'away'
    })
    const byTime = isAwaited && ioSuspended.every(word => LIFTED_BY_PEERS.has(word))
    const details = {
      field: 'suspended',
      word: ioSuspended.join(','),
      clearedBy: byTime ? 'time' : 'operator',
    } as const
    reasons.push(reason('io-suspended', mirror, details))
  }
  if (forcesIoFailures === true) {
    reasons.push(reason('io-failures-forced', mirror, { field: 'force-io-failures', word: 'yes' }))
  }
}
