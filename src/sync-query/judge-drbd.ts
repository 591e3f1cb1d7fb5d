import { CONNECTION_WORDS, DISK_WORDS, type DrbdPeer, type DrbdVolume, REPLICATION_WORDS, wordMeaning } from './drbd.ts'
import { type Judgement, progressBeforeEnd } from './judgement.ts'
import { type Reason, reason, stateFromReasons } from './reason.ts'

type Replication = (typeof REPLICATION_WORDS)[keyof typeof REPLICATION_WORDS]

/** A peer with what its replication word means; `null` where the word was not said or is not known. */
interface ReadPeer {
  readonly said: DrbdPeer
  readonly replication: Replication | null
}

/**
 * What one look at a DRBD volume says (the DRBD column of the design's section 4). The rule is positive: `synced` only
 * if every word that must be said was said, is known, and is well. Bytes; progress 0..1. Never throws.
 */
export function judgeDrbdVolume(volume: DrbdVolume): Judgement {
  const peers = volume.peers.map(
    (said): ReadPeer => ({
      said,
      replication: said.replication === null ? null : wordMeaning(REPLICATION_WORDS, said.replication),
    }),
  )
  const reasons = volume.configured
    ? [
        ...doubtReasons(volume),
        ...diskReasons(volume, peers),
        ...peers.flatMap(peer => peerReasons(volume, peer)),
        ...absenceReasons(volume),
      ]
    : [...doubtReasons(volume), reason('not-configured', volume.mirror)]
  const resyncing = peers.filter(({ replication }) => isResync(replication))
  const verifying = peers.filter(({ replication }) => replication?.kind === 'verify')
  const activity = resyncing.length > 0 ? 'resync' : verifying.length > 0 ? 'verify' : 'none'
  const figures = activityFigures(activity === 'resync' ? resyncing : verifying, activity)
  return {
    mirror: volume.mirror,
    backend: 'drbd',
    state: stateFromReasons(reasons),
    activity,
    moving: resyncing.some(isMoving),
    ...figures,
    outOfSyncBytes: outOfSync(peers, resyncing),
    replicas: countReplicas(volume),
    reasons,
  }
}

function doubtReasons({ mirror, doubts }: DrbdVolume): Reason[] {
  return doubts.map(({ code, ...details }) => reason(code, mirror, details))
}

/** What is wrong with the local disk and is not explained by a resync that is repairing it. */
function diskReasons(volume: DrbdVolume, peers: readonly ReadPeer[]): Reason[] {
  const { mirror, disk } = volume
  const field = 'disk'
  if (disk === null) return [reason('word-missing', mirror, { field })]
  const meaning = wordMeaning(DISK_WORDS, disk)
  if (meaning === null) return [reason('unknown-word', mirror, { field, word: disk })]
  if (meaning === 'good' || isLocalClient(volume)) return []
  const beingRepaired = peers.some(({ replication }) => isResync(replication) && sideOf(replication) === 'target')
  if (meaning === 'old' && beingRepaired) return []
  const connected = peers.some(({ said }) => said.connection === 'Connected')
  const byTime = meaning === 'passing' || (meaning === 'old' && !connected)
  return [reason('disk-not-up-to-date', mirror, { field, word: disk, clearedBy: byTime ? 'time' : 'operator' })]
}

function peerReasons(volume: DrbdVolume, peer: ReadPeer): Reason[] {
  return [
    ...connectionReasons(volume, peer.said),
    ...replicationReasons(volume.mirror, peer),
    ...peerDiskReasons(volume, peer),
    ...driftReasons(volume, peer),
  ]
}

function connectionReasons({ mirror, splitBrainPeers }: DrbdVolume, { peer, connection }: DrbdPeer): Reason[] {
  const field = 'connection'
  if (connection === null) return [reason('word-missing', mirror, { peer, field })]
  const about = { peer, field, word: connection }
  const meaning = wordMeaning(CONNECTION_WORDS, connection)
  if (meaning === null) return [reason('unknown-word', mirror, about)]
  if (meaning === 'connected') return []
  // StandAlone alone is also an operator's disconnect: only the helper that the kernel called tells a split brain.
  if (splitBrainPeers.includes(peer)) return [reason('split-brain', mirror, about)]
  switch (meaning) {
    case 'stand-alone':
      return [reason('stand-alone', mirror, about)]
    case 'leaving':
      return [reason('peer-not-connected', mirror, { ...about, clearedBy: 'operator' })]
    case 'away':
      return [reason('peer-not-connected', mirror, about)]
  }
}

function replicationReasons(mirror: string, { said, replication }: ReadPeer): Reason[] {
  const { peer, replication: word, resyncSuspended, outOfSyncBytes } = said
  const field = 'replication'
  if (word === null) {
    // Where the connection is down nothing is expected of it: `drbdsetup status` leaves the word out.
    return said.connection === 'Connected' ? [reason('word-missing', mirror, { peer, field })] : []
  }
  if (replication === null) return [reason('unknown-word', mirror, { peer, field, word })]
  const figures = {
    ...(said.progress === null ? {} : { progress: said.progress }),
    ...(outOfSyncBytes === null ? {} : { outOfSyncBytes }),
  }
  switch (replication.kind) {
    case 'off':
      return offReasons(mirror, said, word)
    case 'steady':
    case 'verify':
      // Forgotten pauses hold back what comes next, for ever: `resume-sync` stops at the first peer that is not paused
      // and leaves the flag on the others (9.2.18).
      return resyncSuspended?.includes('user') === true ? [reason('pause-left-set', mirror, { peer })] : []
    case 'starting':
      return [reason('resync-starting', mirror, { peer, field, word, side: replication.side })]
    case 'behind':
      return [reason('peer-behind', mirror, { peer, field, word, side: replication.side, ...figures })]
    case 'copying':
    case 'halted': {
      const suspended = resyncSuspended ?? []
      const details = { peer, side: replication.side, ...figures }
      if (replication.kind === 'copying' && suspended.length === 0) {
        return [reason('resync-running', mirror, { ...details, field, word })]
      }
      const code = suspended.includes('user') ? 'resync-paused' : 'resync-waiting'
      if (suspended.length === 0) return [reason(code, mirror, { ...details, field, word })]
      return [reason(code, mirror, { ...details, field: 'resync-suspended', word: suspended.join(',') })]
    }
  }
}

function offReasons(mirror: string, said: DrbdPeer, word: string): Reason[] {
  if (said.connection !== 'Connected' || isDisklessClient(said)) return []
  // A connection is `Connected` some milliseconds before its handshake told the peer's disk (events2 of 8.4.11).
  const clearedBy = said.peerDisk === 'DUnknown' ? 'time' : 'operator'
  return [reason('replication-off', mirror, { peer: said.peer, field: 'replication', word, clearedBy })]
}

/** What is wrong with a connected peer's disk and is not explained by a resync from here to there. */
function peerDiskReasons({ mirror, peers }: DrbdVolume, { said, replication }: ReadPeer): Reason[] {
  const { peer, peerDisk } = said
  const field = 'peer-disk'
  if (peerDisk === null) {
    return said.connection === 'Connected' ? [reason('word-missing', mirror, { peer, field })] : []
  }
  const meaning = wordMeaning(DISK_WORDS, peerDisk)
  if (meaning === null) return [reason('unknown-word', mirror, { peer, field, word: peerDisk })]
  if (said.connection !== 'Connected' || meaning === 'good' || isDisklessClient(said)) return []
  if (meaning === 'old' && isResync(replication) && sideOf(replication) === 'source') return []
  // A third node sees `Established` and `Inconsistent` while two others copy between them (9.2.18).
  const another = peers.some(each => each !== said && each.connection === 'Connected' && each.peerDisk === 'UpToDate')
  const byTime = meaning === 'passing' || meaning === 'unseen' || (peerDisk === 'Inconsistent' && another)
  const clearedBy = byTime ? 'time' : 'operator'
  return [reason('peer-disk-not-up-to-date', mirror, { peer, field, word: peerDisk, clearedBy })]
}

/** Blocks known to differ although both sides say that all is well: LINBIT/drbd#30, #128. */
function driftReasons({ mirror, disk }: DrbdVolume, { said, replication }: ReadPeer): Reason[] {
  const steady = replication?.kind === 'steady' || replication?.kind === 'verify'
  const outOfSyncBytes = said.outOfSyncBytes ?? 0
  if (!steady || disk !== 'UpToDate' || said.peerDisk !== 'UpToDate' || outOfSyncBytes === 0) return []
  return [reason('drift', mirror, { peer: said.peer, outOfSyncBytes })]
}

/** What is missing altogether: peers, every replica, the quorum. */
function absenceReasons(volume: DrbdVolume): Reason[] {
  const { mirror, family, peers, splitBrainPeers, peerRemoved, quorum } = volume
  const reasons: Reason[] = []
  if (peers.length === 0 && family !== '9') {
    // DRBD 8.4 destroys the connection object at StandAlone: that no peer is bad must not read as all peers are good.
    if (splitBrainPeers.length === 0) reasons.push(reason('stand-alone', mirror, { field: 'connection' }))
    else reasons.push(...splitBrainPeers.map(peer => reason('split-brain', mirror, { peer })))
  } else if (peerRemoved) reasons.push(reason('peer-removed', mirror))
  else if (peers.length === 0) reasons.push(reason('single-copy', mirror))
  if (countReplicas(volume).expected === 0) {
    reasons.push(reason('disk-not-up-to-date', mirror, { field: 'disk', word: 'Diskless', missing: 1 }))
  }
  if (quorum === false) reasons.push(reason('quorum-lost', mirror, { field: 'quorum', word: 'no' }))
  return reasons
}

function countReplicas(volume: DrbdVolume): { expected: number; current: number } {
  const { family, disk, peers } = volume
  const diskful = peers.filter(peer => peer.intentionalClient !== true)
  const current = diskful.filter(peer => peer.connection === 'Connected' && peer.peerDisk === 'UpToDate').length
  const local = isLocalClient(volume) ? 0 : 1
  // DRBD before 9 always has two nodes, also while it does not show the other one.
  const unseen = peers.length === 0 && family !== '9' ? 1 : 0
  return { expected: local + diskful.length + unseen, current: current + (disk === 'UpToDate' ? 1 : 0) }
}

function isLocalClient({ disk, intentionalClient }: DrbdVolume): boolean {
  return intentionalClient === true && disk === 'Diskless'
}

function isDisklessClient({ intentionalClient, peerDisk }: DrbdPeer): boolean {
  return intentionalClient === true && peerDisk === 'Diskless'
}

function isResync(replication: Replication | null): boolean {
  return sideOf(replication) !== null
}

function sideOf(replication: Replication | null): 'source' | 'target' | null {
  return replication !== null && 'side' in replication ? replication.side : null
}

function isMoving({ said, replication }: ReadPeer): boolean {
  return replication?.kind === 'copying' && (said.resyncSuspended ?? []).length === 0
}

/**
 * A block that one source cleared is cleared for all of a target's sources, so a target owes the largest figure; a
 * source has to send to each of its targets, so it owes the sum.
 */
function outOfSync(peers: readonly ReadPeer[], resyncing: readonly ReadPeer[]): number | null {
  const targets = resyncing.filter(({ replication }) => sideOf(replication) === 'target')
  if (targets.length > 0) return largest(targets.map(({ said }) => said.outOfSyncBytes))
  const counted = resyncing.length > 0 ? resyncing : peers
  return sum(counted.filter(({ said }) => !isDisklessClient(said)).map(({ said }) => said.outOfSyncBytes))
}

type ActivityFigures = Pick<Judgement, 'progress' | 'doneBytes' | 'totalBytes' | 'etaSeconds'>

/** The figures of the peers that take part: the least progressed one for a target or a verify, sums for a source. */
function activityFigures(peers: readonly ReadPeer[], activity: Judgement['activity']): ActivityFigures {
  const each = peers.map(({ said }) => peerFigures(said, activity))
  const moving = activity === 'verify' ? peers : peers.filter(isMoving)
  const etaSeconds = largest(moving.map(({ said }) => said.etaSeconds))
  const known = each.filter(({ progress }) => progress !== null)
  const [least] = known.sort((a, b) => Number(a.progress) - Number(b.progress))
  const progress = progressBeforeEnd(least?.progress ?? null)
  const hasTargets = each.length > 1 && peers.some(({ replication }) => sideOf(replication) === 'source')
  if (!hasTargets) return { progress, doneBytes: least?.done ?? null, totalBytes: least?.total ?? null, etaSeconds }
  const totalBytes = sum(each.map(({ total }) => total))
  const doneBytes = sum(each.map(({ done }) => done))
  // Of one target among several only the share is meaningful: its bytes are not the whole.
  if (totalBytes === null || doneBytes === null) return { progress, doneBytes: null, totalBytes: null, etaSeconds }
  return { progress: progressBeforeEnd(doneBytes / totalBytes), doneBytes, totalBytes, etaSeconds }
}

interface PeerFigures {
  readonly progress: number | null
  readonly done: number | null
  readonly total: number | null
}

function peerFigures(said: DrbdPeer, activity: Judgement['activity']): PeerFigures {
  const { progress, totalBytes: total, outOfSyncBytes } = said
  if (total === null) return { progress, done: null, total }
  // A verify's out-of-sync bytes are what it found, not what it has still to read.
  if (activity === 'verify') return { progress, done: progress === null ? null : Math.round(progress * total), total }
  if (outOfSyncBytes === null) return { progress, done: null, total }
  const done = Math.max(0, total - outOfSyncBytes)
  return { progress: progress ?? (total > 0 ? done / total : null), done, total }
}

/** `null` as soon as one is not known: a part is not the whole. */
function sum(figures: readonly (number | null)[]): number | null {
  let total = 0
  for (const figure of figures) {
    if (figure === null) return null
    total += figure
  }
  return figures.length === 0 ? null : total
}

function largest(figures: readonly (number | null)[]): number | null {
  const known = figures.filter(figure => figure !== null)
  return known.length === 0 ? null : Math.max(...known)
}
