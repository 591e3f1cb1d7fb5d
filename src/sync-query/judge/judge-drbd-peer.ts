import { REASONS, type Reason, type ReasonDraft, reason } from '../reason/reason.ts'
import { CONNECTION_WORDS, DISK_WORDS, type DrbdPeer, type DrbdVolume, wordMeaning } from './drbd.ts'
import { isClientDisk, type ReadPeer, sideOf } from './drbd-figures.ts'
import { progressBeforeEnd } from './judgement.ts'

type Copying = Extract<ReadPeer['replication'], { readonly kind: 'copying' | 'halted' }>

export function connectionReason(
  { mirror, splitBrainPeers }: DrbdVolume,
  { peer, connection }: DrbdPeer,
): Reason | null {
  const field = 'connection'
  if (connection === null) return reason('word-missing', mirror, { peer, field })
  const meaning = wordMeaning(CONNECTION_WORDS, connection)
  if (meaning === 'connected') return null
  const about = { peer, field, word: connection }
  if (meaning === null) return reason('unknown-word', mirror, about)
  // StandAlone is also an operator's disconnect: only the helper that the kernel called proves a split brain.
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

export function replicationReason(mirror: string, { shown, replication }: ReadPeer): Reason | null {
  const { peer, replication: word, resyncSuspended } = shown
  const field = 'replication'
  if (word === null) {
    // Without a connection the state is not expected: `drbdsetup status` omits it.
    return shown.connection === 'Connected' ? reason('word-missing', mirror, { peer, field }) : null
  }
  if (replication === null) return reason('unknown-word', mirror, { peer, field, word })
  switch (replication.kind) {
    case 'off':
      return offReason(mirror, shown, word)
    case 'steady':
    case 'verify':
      // A pause that was left set holds back every later resync: `resume-sync` stops at the first peer that is not paused
      // and leaves the flag on the others (9.2.18).
      return resyncSuspended?.includes('user') === true ? reason('pause-left-set', mirror, { peer }) : null
    case 'starting':
      return reason('resync-starting', mirror, { peer, field, word, side: replication.side })
    case 'behind':
      return addFigures(reason('peer-behind', mirror, { peer, field, word, side: replication.side }), shown)
    case 'copying':
    case 'halted':
      return copyReason(mirror, shown, word, replication)
  }
}

/** Written key by key: while data moves each event makes one, and spreading objects costs more than everything else. */
function copyReason(mirror: string, shown: DrbdPeer, word: string, { kind, side }: Copying): Reason {
  const suspended = shown.resyncSuspended ?? []
  const code = copyCode(kind, suspended)
  const found: ReasonDraft = { code, mirror, clearedBy: REASONS[code].clearedBy, peer: shown.peer, side }
  addFigures(found, shown)
  found.field = suspended.length === 0 ? 'replication' : 'resync-suspended'
  found.word = suspended.length === 0 ? word : suspended.join(',')
  return found
}

function copyCode(kind: Copying['kind'], suspended: readonly string[]) {
  if (kind === 'copying' && suspended.length === 0) return 'resync-running'
  return suspended.includes('user') ? 'resync-paused' : 'resync-waiting'
}

function addFigures(found: ReasonDraft, { progress: raw, outOfSyncBytes }: DrbdPeer): ReasonDraft {
  const progress = progressBeforeEnd(raw)
  if (progress !== null) found.progress = progress
  if (outOfSyncBytes !== null) found.outOfSyncBytes = outOfSyncBytes
  return found
}

function offReason(mirror: string, shown: DrbdPeer, word: string): Reason | null {
  if (shown.connection !== 'Connected' || isClientDisk(shown.peerDisk, shown.intentionalClient)) return null
  // A connection is `Connected` some milliseconds before its handshake shows the peer's disk (events2 of 8.4.11).
  const clearedBy = shown.peerDisk === 'DUnknown' ? 'time' : 'operator'
  return reason('replication-off', mirror, { peer: shown.peer, field: 'replication', word, clearedBy })
}

/** A problem of a connected peer's disk that no resync from this host repairs. */
export function peerDiskReason(volume: DrbdVolume, peer: ReadPeer): Reason | null {
  const { mirror, peers } = volume
  const { shown } = peer
  const field = 'peer-disk'
  if (shown.peerDisk === null) {
    return shown.connection === 'Connected' ? reason('word-missing', mirror, { peer: shown.peer, field }) : null
  }
  const meaning = wordMeaning(DISK_WORDS, shown.peerDisk)
  if (meaning === null) return reason('unknown-word', mirror, { peer: shown.peer, field, word: shown.peerDisk })
  if (shown.connection !== 'Connected' || meaning === 'good' || isClientDisk(shown.peerDisk, shown.intentionalClient))
    return null
  if (meaning === 'old' && sideOf(peer) === 'source') return null
  // A third node shows `Established` and `Inconsistent` while two others copy between them (9.2.18).
  const another = peers.some(each => each !== shown && each.connection === 'Connected' && each.peerDisk === 'UpToDate')
  const byTime = meaning === 'passing' || meaning === 'unseen' || (shown.peerDisk === 'Inconsistent' && another)
  const outOfSyncBytes = shown.outOfSyncBytes ?? 0
  if (!byTime && meaning === 'old' && volume.disk === 'UpToDate' && isSteady(peer) && outOfSyncBytes > 0) {
    // A resync towards it begins within moments; the history finds one that does not (DRBD 9.3.3, home-operations/miroir#390).
    return reason('peer-disk-not-up-to-date', mirror, {
      peer: shown.peer,
      field,
      word: shown.peerDisk,
      clearedBy: 'time',
      outOfSyncBytes,
    })
  }
  const clearedBy = byTime ? 'time' : 'operator'
  return reason('peer-disk-not-up-to-date', mirror, { peer: shown.peer, field, word: shown.peerDisk, clearedBy })
}

/** Blocks are marked although both sides are up to date: LINBIT/drbd#30, #128. */
export function driftReason({ mirror, disk, peers }: DrbdVolume, peer: ReadPeer): Reason | null {
  const { shown, replication } = peer
  const steady = isSteady(peer) || replication?.kind === 'verify'
  const outOfSyncBytes = shown.outOfSyncBytes ?? 0
  if (!steady || disk !== 'UpToDate' || shown.peerDisk !== 'UpToDate' || outOfSyncBytes === 0) return null
  // A resync of three replicas leaves marks between two of them whose disks are equal (9.2.19); only the history can tell.
  const third = peers.some(each => each !== shown && each.connection === 'Connected' && each.peerDisk === 'UpToDate')
  const code = third && isSteady(peer) ? 'marks-left' : 'drift'
  return reason(code, mirror, { peer: shown.peer, outOfSyncBytes })
}

function isSteady({ replication }: ReadPeer): boolean {
  return replication?.kind === 'steady'
}
