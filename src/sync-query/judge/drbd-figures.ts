import { type DrbdPeer, REPLICATION_WORDS, wordMeaning } from './drbd.ts'
import { type Judgement, progressBeforeEnd } from './judgement.ts'

type Replication = (typeof REPLICATION_WORDS)[keyof typeof REPLICATION_WORDS]

/** A peer with what its replication word means; `null` where the word was not said or is not known. */
export interface ReadPeer {
  readonly said: DrbdPeer
  readonly replication: Replication | null
}

export function readPeer(said: DrbdPeer): ReadPeer {
  return { said, replication: said.replication === null ? null : wordMeaning(REPLICATION_WORDS, said.replication) }
}

/** On which side of a resync with this peer this host is; `null` where there is none. */
export function sideOf({ replication }: ReadPeer): 'source' | 'target' | null {
  return replication !== null && 'side' in replication ? replication.side : null
}

/** A disk that is missing on purpose. One that shows any other word is a disk after all. */
export function isClientDisk(word: string | null, intentionalClient: boolean | null): boolean {
  return intentionalClient === true && word === 'Diskless'
}

type DrbdFigures = Pick<
  Judgement,
  'activity' | 'moving' | 'progress' | 'doneBytes' | 'totalBytes' | 'etaSeconds' | 'outOfSyncBytes'
> & { readonly movedBytes: number | null }

/** What runs between this host and the peers of one volume, and how far it has got. */
export function drbdFigures(peers: readonly ReadPeer[]): DrbdFigures {
  const activity = activityOf(peers)
  if (activity === 'none') {
    const outOfSyncBytes = owedToPeers(peers)
    return {
      activity,
      moving: false,
      progress: null,
      doneBytes: null,
      totalBytes: null,
      etaSeconds: null,
      outOfSyncBytes,
      movedBytes: null,
    }
  }
  if (activity === 'verify') {
    const verifying = peers.filter(isVerifying)
    const { progress, doneBytes, totalBytes } = leastDone(verifying.map(verifyFigures))
    const etaSeconds = largestEta(verifying)
    const outOfSyncBytes = owedToPeers(peers)
    return { activity, moving: false, progress, doneBytes, totalBytes, etaSeconds, outOfSyncBytes, movedBytes: null }
  }
  const resyncing = peers.filter(isResyncing)
  const moving = resyncing.filter(isMoving)
  const { progress, doneBytes, totalBytes } = resyncShare(resyncing)
  return {
    activity,
    moving: moving.length > 0,
    progress,
    doneBytes,
    totalBytes,
    etaSeconds: largestEta(moving),
    outOfSyncBytes: owedInResync(resyncing),
    movedBytes: movedBy(resyncing),
  }
}

function activityOf(peers: readonly ReadPeer[]): 'resync' | 'verify' | 'none' {
  if (peers.some(isResyncing)) return 'resync'
  return peers.some(isVerifying) ? 'verify' : 'none'
}

function isResyncing(peer: ReadPeer): boolean {
  return sideOf(peer) !== null
}

function isVerifying({ replication }: ReadPeer): boolean {
  return replication?.kind === 'verify'
}

function isMoving({ said, replication }: ReadPeer): boolean {
  return replication?.kind === 'copying' && (said.resyncSuspended === null || said.resyncSuspended.length === 0)
}

function owedToPeers(peers: readonly ReadPeer[]): number | null {
  let owed: number | null = null
  for (const { said } of peers) {
    if (isClientDisk(said.peerDisk, said.intentionalClient)) continue
    // A part is not the whole.
    if (said.outOfSyncBytes === null) return null
    owed = (owed ?? 0) + said.outOfSyncBytes
  }
  return owed
}

/**
 * A block that one source cleared is cleared for all of a target's sources, so a target owes the largest figure; a
 * source has to send to each of its targets, so it owes the sum.
 */
function owedInResync(resyncing: readonly ReadPeer[]): number | null {
  let largest: number | null = null
  let isTarget = false
  for (const peer of resyncing) {
    if (sideOf(peer) !== 'target') continue
    isTarget = true
    largest = larger(largest, peer.said.outOfSyncBytes)
  }
  return isTarget ? largest : owedToPeers(resyncing)
}

function movedBy(resyncing: readonly ReadPeer[]): number | null {
  let moved: number | null = null
  for (const { said } of resyncing) if (said.movedBytes !== null) moved = (moved ?? 0) + said.movedBytes
  return moved
}

interface ShareDone {
  readonly progress: number | null
  readonly doneBytes: number | null
  readonly totalBytes: number | null
}

const NOTHING_SAID: ShareDone = { progress: null, doneBytes: null, totalBytes: null }

/** The least progressed peer's for a target; for a source of several the mean of their shares, and the sums of their bytes. */
function resyncShare(resyncing: readonly ReadPeer[]): ShareDone {
  const shares = resyncing.map(resyncFigures)
  const least = leastDone(shares)
  if (shares.length === 1 || !resyncing.some(peer => sideOf(peer) === 'source')) return least
  let weighted = 0
  let doneBytes = 0
  let totalBytes = 0
  for (const share of shares) {
    // Of one target among several only the share is meaningful: its bytes are not the whole.
    if (share.doneBytes === null || share.totalBytes === null) return { ...NOTHING_SAID, progress: least.progress }
    weighted += (share.progress ?? 0) * share.totalBytes
    doneBytes += share.doneBytes
    totalBytes += share.totalBytes
  }
  return { progress: progressBeforeEnd(weighted / totalBytes), doneBytes, totalBytes }
}

function leastDone(shares: readonly ShareDone[]): ShareDone {
  let least: ShareDone = NOTHING_SAID
  for (const share of shares) {
    if (share.progress !== null && (least.progress === null || share.progress < least.progress)) least = share
  }
  return { progress: progressBeforeEnd(least.progress), doneBytes: least.doneBytes, totalBytes: least.totalBytes }
}

function resyncFigures({ said: { progress, totalBytes, outOfSyncBytes } }: ReadPeer): ShareDone {
  if (totalBytes === null || outOfSyncBytes === null) return { progress, doneBytes: null, totalBytes }
  const doneBytes = Math.max(0, totalBytes - outOfSyncBytes)
  return { progress: progress ?? (totalBytes > 0 ? doneBytes / totalBytes : null), doneBytes, totalBytes }
}

/** A verify's out-of-sync bytes are what it found, not what it has still to read. */
function verifyFigures({ said: { progress, totalBytes } }: ReadPeer): ShareDone {
  const doneBytes = totalBytes === null || progress === null ? null : Math.round(progress * totalBytes)
  return { progress, doneBytes, totalBytes }
}

function largestEta(peers: readonly ReadPeer[]): number | null {
  let largest: number | null = null
  for (const { said } of peers) largest = larger(largest, said.etaSeconds)
  return largest
}

function larger(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b
  return Math.max(a, b)
}
