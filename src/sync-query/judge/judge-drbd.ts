import { REASONS, type Reason, type ReasonDraft, reason, stateFromReasons } from '../reason/reason.ts'
import type { Candidate } from '../reason/reason-kind.ts'
import { type ConfiguredPeer, type ConfiguredPeers, missingPeers, peerLabel } from './configured-peers.ts'
import { CONNECTION_WORDS, DISK_WORDS, type DrbdPeer, type DrbdVolume, wordMeaning } from './drbd.ts'
import { drbdFigures, isClientDisk, type ReadPeer, readPeer, sideOf } from './drbd-figures.ts'
import { countReplicas, placementOf } from './drbd-placement.ts'
import { type Judgement, progressBeforeEnd } from './judgement.ts'
import type { Placement } from './placement.ts'

type Copying = Extract<ReadPeer['replication'], { readonly kind: 'copying' | 'halted' }>

/**
 * What one look at a DRBD volume says (the DRBD column of the design's section 4). The rule is positive: `synced` only
 * if every word that must be said was said, is known, and is well, and every configured peer is there. Bytes; progress 0..1.
 * Never throws.
 *
 * @param configured `null`: no configuration that was read names the volume, so nothing tells which peers it should have
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
    // It says of all disks together what the reasons of single disks would say one by one, with other remedies.
    add(reasons, noneCurrent ?? diskReason(volume, peers))
    for (const peer of peers) {
      add(reasons, connectionReason(volume, peer.said))
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

/** What is wrong with the local disk and is not explained by a resync that is repairing it. */
function diskReason({ mirror, disk, intentionalClient }: DrbdVolume, peers: readonly ReadPeer[]): Reason | null {
  const field = 'disk'
  if (disk === null) return reason('word-missing', mirror, { field })
  const meaning = wordMeaning(DISK_WORDS, disk)
  if (meaning === null) return reason('unknown-word', mirror, { field, word: disk })
  if (meaning === 'good' || isClientDisk(disk, intentionalClient)) return null
  const beingRepaired = peers.some(peer => sideOf(peer) === 'target')
  if (meaning === 'old' && beingRepaired) return null
  const connected = peers.some(({ said }) => said.connection === 'Connected')
  const byTime = meaning === 'passing' || (meaning === 'old' && !connected)
  return reason('disk-not-up-to-date', mirror, { field, word: disk, clearedBy: byTime ? 'time' : 'operator' })
}

/**
 * No replica is current: neither this host's nor one of a peer, and the disk of each is known. Then nothing copies good data,
 * and nothing will: a resync between replicas that are not current waits for a source (08-no-source-deadlock).
 *
 * `Consistent` says that a replica may be current, which DRBD decides when it knows more; it is no such disk.
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

/** The word of a disk that is known not to be current. */
function isStale(disk: string | null): disk is string {
  if (disk === null || disk === 'Consistent') return false
  const meaning = wordMeaning(DISK_WORDS, disk)
  return meaning === 'old' || meaning === 'gone'
}

function connectionReason({ mirror, splitBrainPeers }: DrbdVolume, { peer, connection }: DrbdPeer): Reason | null {
  const field = 'connection'
  if (connection === null) return reason('word-missing', mirror, { peer, field })
  const meaning = wordMeaning(CONNECTION_WORDS, connection)
  if (meaning === 'connected') return null
  const about = { peer, field, word: connection }
  if (meaning === null) return reason('unknown-word', mirror, about)
  // StandAlone alone is also an operator's disconnect: only the helper that the kernel called tells a split brain.
  if (splitBrainPeers.includes(peer)) return reason('split-brain', mirror, about)
  switch (meaning) {
    case 'stand-alone':
      return reason('stand-alone', mirror, about)
    case 'leaving':
      return reason('peer-not-connected', mirror, { ...about, clearedBy: 'operator' })
    case 'away':
      return reason('peer-not-connected', mirror, about)
  }
}

function replicationReason(mirror: string, { said, replication }: ReadPeer): Reason | null {
  const { peer, replication: word, resyncSuspended } = said
  const field = 'replication'
  if (word === null) {
    // Where the connection is down nothing is expected of it: `drbdsetup status` leaves the word out.
    return said.connection === 'Connected' ? reason('word-missing', mirror, { peer, field }) : null
  }
  if (replication === null) return reason('unknown-word', mirror, { peer, field, word })
  switch (replication.kind) {
    case 'off':
      return offReason(mirror, said, word)
    case 'steady':
    case 'verify':
      // Forgotten pauses hold back what comes next, for ever: `resume-sync` stops at the first peer that is not paused
      // and leaves the flag on the others (9.2.18).
      return resyncSuspended?.includes('user') === true ? reason('pause-left-set', mirror, { peer }) : null
    case 'starting':
      return reason('resync-starting', mirror, { peer, field, word, side: replication.side })
    case 'behind':
      return addFigures(reason('peer-behind', mirror, { peer, field, word, side: replication.side }), said)
    case 'copying':
    case 'halted':
      return copyReason(mirror, said, word, replication)
  }
}

/** Written piece by piece: while data moves each event makes one, and to spread pieces costs more than all the rest. */
function copyReason(mirror: string, said: DrbdPeer, word: string, { kind, side }: Copying): Reason {
  const suspended = said.resyncSuspended ?? []
  const code = copyCode(kind, suspended)
  const found: ReasonDraft = { code, mirror, clearedBy: REASONS[code].clearedBy, peer: said.peer, side }
  addFigures(found, said)
  found.field = suspended.length === 0 ? 'replication' : 'resync-suspended'
  found.word = suspended.length === 0 ? word : suspended.join(',')
  return found
}

function copyCode(kind: Copying['kind'], suspended: readonly string[]) {
  if (kind === 'copying' && suspended.length === 0) return 'resync-running'
  return suspended.includes('user') ? 'resync-paused' : 'resync-waiting'
}

function addFigures(found: ReasonDraft, { progress: said, outOfSyncBytes }: DrbdPeer): ReasonDraft {
  const progress = progressBeforeEnd(said)
  if (progress !== null) found.progress = progress
  if (outOfSyncBytes !== null) found.outOfSyncBytes = outOfSyncBytes
  return found
}

function offReason(mirror: string, said: DrbdPeer, word: string): Reason | null {
  if (said.connection !== 'Connected' || isClientDisk(said.peerDisk, said.intentionalClient)) return null
  // A connection is `Connected` some milliseconds before its handshake told the peer's disk (events2 of 8.4.11).
  const clearedBy = said.peerDisk === 'DUnknown' ? 'time' : 'operator'
  return reason('replication-off', mirror, { peer: said.peer, field: 'replication', word, clearedBy })
}

/** What is wrong with a connected peer's disk and is not explained by a resync from here to there. */
function peerDiskReason(volume: DrbdVolume, peer: ReadPeer): Reason | null {
  const { mirror, peers } = volume
  const { said } = peer
  const field = 'peer-disk'
  if (said.peerDisk === null) {
    return said.connection === 'Connected' ? reason('word-missing', mirror, { peer: said.peer, field }) : null
  }
  const meaning = wordMeaning(DISK_WORDS, said.peerDisk)
  if (meaning === null) return reason('unknown-word', mirror, { peer: said.peer, field, word: said.peerDisk })
  if (said.connection !== 'Connected' || meaning === 'good' || isClientDisk(said.peerDisk, said.intentionalClient))
    return null
  if (meaning === 'old' && sideOf(peer) === 'source') return null
  // A third node sees `Established` and `Inconsistent` while two others copy between them (9.2.18).
  const another = peers.some(each => each !== said && each.connection === 'Connected' && each.peerDisk === 'UpToDate')
  const byTime = meaning === 'passing' || meaning === 'unseen' || (said.peerDisk === 'Inconsistent' && another)
  const outOfSyncBytes = said.outOfSyncBytes ?? 0
  if (!byTime && meaning === 'old' && volume.disk === 'UpToDate' && isSteady(peer) && outOfSyncBytes > 0) {
    // A resync towards it begins within moments; a history tells one that does not (DRBD 9.3.3, home-operations/miroir#390).
    return reason('peer-disk-not-up-to-date', mirror, {
      peer: said.peer,
      field,
      word: said.peerDisk,
      clearedBy: 'time',
      outOfSyncBytes,
    })
  }
  const clearedBy = byTime ? 'time' : 'operator'
  return reason('peer-disk-not-up-to-date', mirror, { peer: said.peer, field, word: said.peerDisk, clearedBy })
}

/** Blocks known to differ although both sides say that all is well: LINBIT/drbd#30, #128. */
function driftReason({ mirror, disk, peers }: DrbdVolume, peer: ReadPeer): Reason | null {
  const { said, replication } = peer
  const steady = isSteady(peer) || replication?.kind === 'verify'
  const outOfSyncBytes = said.outOfSyncBytes ?? 0
  if (!steady || disk !== 'UpToDate' || said.peerDisk !== 'UpToDate' || outOfSyncBytes === 0) return null
  // A resync of three replicas leaves marks between two of them whose disks are equal (9.2.19); only a history tells others.
  const third = peers.some(each => each !== said && each.connection === 'Connected' && each.peerDisk === 'UpToDate')
  const code = third && isSteady(peer) ? 'marks-left' : 'drift'
  return reason(code, mirror, { peer: said.peer, outOfSyncBytes })
}

function isSteady({ replication }: ReadPeer): boolean {
  return replication?.kind === 'steady'
}

const NO_PEERS: readonly ConfiguredPeer[] = []

/**
 * The configured peers that the kernel does not have. DRBD 8.4 shows no peer while it is StandAlone, and calls each one `peer`:
 * there the lack of a peer has its own reason.
 */
function peersMissingIn({ family, peers }: DrbdVolume, configured: ConfiguredPeers | null): readonly ConfiguredPeer[] {
  return configured === null || family !== '9' ? NO_PEERS : missingPeers(configured.peers, peers)
}

/** What is missing altogether: peers, every replica, the quorum. */
function addAbsenceReasons(
  reasons: Reason[],
  volume: DrbdVolume,
  expectedReplicas: number,
  missing: readonly ConfiguredPeer[],
): void {
  const { mirror, family, peers, splitBrainPeers, removedPeers, quorum } = volume
  if (peers.length === 0 && family !== '9') {
    // DRBD 8.4 destroys the connection object at StandAlone: that no peer is bad must not read as all peers are good.
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

/** One replica has the data, whatever clients are connected to it. A peer that was just removed has a reason of its own. */
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

/** Suspensions that DRBD lifts by itself when a peer is back. */
const LIFTED_BY_PEERS: ReadonlySet<string> = new Set(['quorum', 'fencing'])

/** What stops the virtual disk while its copies may be equal: the state of the mirror does not show it. */
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
