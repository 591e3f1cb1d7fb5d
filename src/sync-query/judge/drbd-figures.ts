import { type DrbdPeer, REPLICATION_WORDS, wordMeaning } from './drbd.ts'
import { type Judgement, progressBeforeEnd } from './judgement.ts'

type Replication = (typeof REPLICATION_WORDS)[keyof typeof REPLICATION_WORDS]

/** A peer with the meaning of its replication state; `null`: missing or unknown. */
export interface ReadPeer {
  readonly shown: DrbdPeer
  readonly replication: Replication | null
}

export function readPeer(shown: DrbdPeer): ReadPeer {
  return { shown, replication: shown.replication === null ? null : wordMeaning(REPLICATION_WORDS, shown.replication) }
}

/** This host's side of a resync with this peer; `null`: there is none. */
export function sideOf({ replication }: ReadPeer): 'source' | 'target' | null {
  return replication !== null && 'side' in replication ? replication.side : null
}

/** An intentionally missing disk. Any other state means that there is a disk. */
export function isClientDisk(word: string | null, intentionalClient: boolean | null): boolean {
  return intentionalClient === true && word === 'Diskless'
}

type DrbdFigures = Pick<
  Judgement,
  'activity' | 'moving' | 'progress' | 'doneBytes' | 'totalBytes' | 'etaSeconds' | 'outOfSyncBytes'
> & { readonly movedBytes: number | null }

/** What runs between this host and the peers of one volume, with its progress. */
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

function isMoving({ shown, replication }: ReadPeer): boolean {
  return replication?.kind === 'copying' && (shown.resyncSuspended === null || shown.resyncSuspended.length === 0)
}

function owedToPeers(peers: readonly ReadPeer[]): number | null {
  let owed: number | null = null
  for (const { shown } of peers) {
    if (isClientDisk(shown.peerDisk, shown.intentionalClient)) continue
    // An incomplete sum is not known.
    if (shown.outOfSyncBytes === null) return null
    owed = (owed ?? 0) + shown.outOfSyncBytes
  }
  return owed
}

/**
 * A block that one source cleared is cleared for all sources of a target, so a target lacks the largest figure; a source has to send to
 * each of its targets, so it has to send the sum.
 */
function owedInResync(resyncing: readonly ReadPeer[]): number | null {
  let largest: number | null = null
  let isTarget = false
  for (const peer of resyncing) {
    if (sideOf(peer) !== 'target') continue
    isTarget = true
    largest = larger(largest, peer.shown.outOfSyncBytes)
  }
  return isTarget ? largest : owedToPeers(resyncing)
}

function movedBy(resyncing: readonly ReadPeer[]): number | null {
  let moved: number | null = null
  for (const { shown } of resyncing) if (shown.movedBytes !== null) moved = (moved ?? 0) + shown.movedBytes
  return moved
}

interface ShareDone {
  readonly progress: number | null
  readonly doneBytes: number | null
  readonly totalBytes: number | null
}

const NOT_KNOWN: ShareDone = { progress: null, doneBytes: null, totalBytes: null }

/** For a target the figures of the least progressed peer; for a source of several the mean of their shares and the sums of their bytes. */
function resyncShare(resyncing: readonly ReadPeer[]): ShareDone {
  const shares = resyncing.map(resyncFigures)
  const least = leastDone(shares)
  if (shares.length === 1 || !resyncing.some(peer => sideOf(peer) === 'source')) return least
  let weighted = 0
  let doneBytes = 0
  let totalBytes = 0
  for (const share of shares) {
    // The bytes of one target among several are not the whole; only the share has a meaning.
    if (share.doneBytes === null || share.totalBytes === null) return { ...NOT_KNOWN, progress: least.progress }
    weighted += (share.progress ?? 0) * share.totalBytes
    doneBytes += share.doneBytes
    totalBytes += share.totalBytes
  }
  return { progress: progressBeforeEnd(weighted / totalBytes), doneBytes, totalBytes }
}

function leastDone(shares: readonly ShareDone[]): ShareDone {
  let least: ShareDone = NOT_KNOWN
  for (const share of shares) {
    if (share.progress !== null && (least.progress === null || share.progress < least.progress)) least = share
  }
  return { progress: progressBeforeEnd(least.progress), doneBytes: least.doneBytes, totalBytes: least.totalBytes }
}

function resyncFigures({ shown: { progress, totalBytes, outOfSyncBytes } }: ReadPeer): ShareDone {
  if (totalBytes === null || outOfSyncBytes === null) return { progress, doneBytes: null, totalBytes }
  const doneBytes = Math.max(0, totalBytes - outOfSyncBytes)
  return { progress: progress ?? (totalBytes > 0 ? doneBytes / totalBytes : null), doneBytes, totalBytes }
}

/** A verify's out-of-sync bytes are its findings, not what remains to be read. */
function verifyFigures({ shown: { progress, totalBytes } }: ReadPeer): ShareDone {
  const doneBytes = totalBytes === null || progress === null ? null : Math.round(progress * totalBytes)
  return { progress, doneBytes, totalBytes }
}

function largestEta(peers: readonly ReadPeer[]): number | null {
  let largest: number | null = null
  for (const { shown } of peers) largest = larger(largest, shown.etaSeconds)
  return largest
}

function larger(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b
  return Math.max(a, b)
}
