import { DISK_WORDS, type DrbdPeer, type DrbdVolume, wordMeaning } from '../../judge/drbd.ts'
import { isClientDisk, type ReadPeer, sideOf } from '../../judge/drbd-figures.ts'
import {
  endRepair,
  endVerify,
  loseMarks,
  newPairMarks,
  type PairMarks,
  type RepairSide,
  setRest,
} from './pair-marks.ts'

/** Marks of a replicating pair count after this long: DRBD sets some for a moment when a primary is lost (9.2.18). */
const LASTING_AFTER_MS = 10_000

/** How far a reading of a volume can be compared with the one before. */
export interface Continuity {
  /** Unix time in milliseconds. */
  readonly at: number
  /** There was no gap in the observation since the reading before. */
  readonly isWatched: boolean
  /** The volume has been in the kernel since the reading before. */
  readonly isSameAppearance: boolean
}

export function observePair(pair: PairMarks, volume: DrbdVolume, peer: ReadPeer, continuity: Continuity): void {
  const { shown, replication } = peer
  const { passed } = shown
  const out = shown.outOfSyncBytes
  if (passed !== null) takePassage(pair, passed)
  const kind = replication?.kind
  const most = Math.max(out ?? 0, (passed?.repair ?? 'none') !== 'none' ? 0 : (passed?.outOfSyncBytes ?? 0))
  if (isClientDisk(shown.peerDisk, shown.intentionalClient)) {
    // A client has no data, and gets it only by a complete resync.
    if (shown.connection === 'Connected') Object.assign(pair, newPairMarks(pair.peer))
    return
  }
  const side = repairedSide(volume.disk, peer)
  if (side !== 'none') {
    pair.repair = side
    pair.verifying = false
    pair.repairBytes = Math.max(pair.repairBytes, out ?? 0)
    return
  }
  if (kind === 'verify') {
    pair.verifying = true
    pair.foundBytes = Math.max(pair.foundBytes, out ?? 0)
    return
  }
  if (pair.verifying) {
    // A complete verify ends with `verifiedBytes`. This one was cut off, and only its findings count.
    pair.verifying = false
    if (pair.foundBytes > 0) setRest(pair, pair.foundBytes, 'found')
  }
  const isAtRest =
    shown.connection === 'Connected' && kind === 'steady' && isGood(volume.disk) && isGood(shown.peerDisk)
  const hasThird = hasThirdReplica(volume, shown)
  const isWatched = continuity.isWatched && (continuity.isSameAppearance || !hasThird)
  if (!isAtRest) {
    if (!isWatched && volume.doubts.length === 0 && hasBitmap(volume.disk)) forgetUnseen(pair, out, shown.movedBytes)
    // This host's disk is good again; the peer lacks what is still marked.
    if (pair.repair === 'here' && isGood(volume.disk)) pair.repair = 'none'
    const replicates = shown.connection === 'Connected' && kind === 'steady'
    const isLasting = replicates && lasts(pair, out, continuity.at)
    if (!replicates) pair.restWasAway ||= pair.rest !== 'none'
    if (most > pair.restBytes && (!replicates || isLasting)) pair.owedBytes = Math.max(pair.owedBytes, most)
    return
  }
  // A doubtful reading decides nothing.
  if (volume.doubts.length > 0 || out === null) return
  if (most > Math.max(pair.restBytes, out)) pair.owedBytes = Math.max(pair.owedBytes, most)
  const isLasting = lasts(pair, out, continuity.at)
  if (!isWatched && hasCopiedUnseen(pair, out, shown.movedBytes)) {
    pair.owedBytes = 0
    if (out === 0) setRest(pair, 0, 'none')
    else setRest(pair, out, hasThird ? 'left' : 'drift')
    return
  }
  if (out === 0) {
    if (pair.repair !== 'none') endRepair(pair)
    else loseMarks(pair, isWatched)
  } else if (isLasting || pair.repair !== 'none' || pair.owedBytes > 0 || !continuity.isWatched) {
    rest(pair, out, hasThird, isWatched)
  }
}

/** The disk of the pair that is being repaired, by the reading. */
function repairedSide(disk: string | null, peer: ReadPeer): RepairSide {
  const kind = peer.replication?.kind
  const side = kind === 'copying' || kind === 'halted' ? sideOf(peer) : null
  if (side === 'source' || peer.shown.peerDisk === 'Inconsistent') return 'there'
  return side === 'target' || disk === 'Inconsistent' ? 'here' : 'none'
}

function takePassage(pair: PairMarks, passed: NonNullable<DrbdPeer['passed']>): void {
  if (passed.repairedBytes !== null) {
    pair.repairBytes = Math.max(pair.repairBytes, passed.repairedBytes)
    endRepair(pair)
  }
  if (passed.verifiedBytes !== null) endVerify(pair, passed.verifiedBytes)
  if (passed.repair !== 'none') {
    pair.repair = passed.repair
    pair.repairBytes = Math.max(pair.repairBytes, passed.outOfSyncBytes)
  }
}

/** Both disks are up to date, nothing runs, and `out` bytes are marked. */
function rest(pair: PairMarks, out: number, hasThird: boolean, isWatched: boolean): void {
  if (pair.repair !== 'none') {
    endRepair(pair)
    setRest(pair, out, hasThird ? 'left' : 'drift')
  } else {
    const origin = hasThird || !isWatched ? 'unwatched' : 'drift'
    if (pair.owedBytes > out) {
      loseMarks(pair, isWatched)
      setRest(pair, out, origin)
    } else if (pair.rest === 'none' || out > pair.restBytes) setRest(pair, out, origin)
  }
  pair.owedBytes = 0
}

/** Whether a replicating pair has had marks for long. */
function lasts(pair: PairMarks, out: number | null, at: number): boolean {
  if (out === null) return false
  if (out === 0) pair.markedSince = Number.NaN
  // If the clock was set back, the time starts again.
  else if (!(pair.markedSince <= at)) pair.markedSince = at
  return at - pair.markedSince >= LASTING_AFTER_MS
}

function hasThirdReplica({ peers }: DrbdVolume, shown: DrbdPeer): boolean {
  return peers.some(each => each !== shown && each.connection === 'Connected' && isGood(each.peerDisk))
}

function isGood(disk: string | null): boolean {
  return disk !== null && wordMeaning(DISK_WORDS, disk) === 'good'
}

/**
 * The marks vanished in a gap of the observation, and this connection has moved at least as much data: it was copied. DRBD counts writes
 * of the virtual disk too, so this decides only if nothing better is known, after a restart.
 */
function hasCopiedUnseen({ owedBytes, repair }: PairMarks, out: number, movedBytes: number | null): boolean {
  return repair === 'none' && owedBytes > out && movedBytes !== null && movedBytes >= owedBytes - out
}

/**
 * Handles fewer marks than remembered, at a peer that is away or not well, after a gap in the observation: they vanished in the gap, so
 * they are not expected when the peer returns.
 */
function forgetUnseen(pair: PairMarks, out: number | null, movedBytes: number | null): void {
  if (out === null || Math.max(pair.owedBytes, pair.restBytes) <= out) return
  if (hasCopiedUnseen(pair, out, movedBytes)) setRest(pair, 0, 'none')
  else loseMarks(pair, false)
  pair.owedBytes = out
}

/** The disk is attached, so the kernel knows its marks. */
export function hasBitmap(disk: string | null): boolean {
  const meaning = disk === null ? null : wordMeaning(DISK_WORDS, disk)
  return meaning === 'good' || meaning === 'old'
}
