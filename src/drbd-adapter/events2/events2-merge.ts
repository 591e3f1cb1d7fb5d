import { type DrbdDoubt, REPLICATION_WORDS, wordMeaning } from '../../sync-query/judge/drbd.ts'
import { keptWord, totalFromDone } from '../drbd-words.ts'
import type { Events2Change } from './events2-line.ts'
import { settleOvertaken } from './events2-overtaken.ts'
import type { DeviceState, PeerDeviceState, PeerState } from './events2-tree.ts'

/** What was said before an object is announced (anew) is worth nothing. */
export function announcePeer(peer: PeerState): void {
  peer.announced = true
  peer.connection = null
  peer.wasClient = null
  peer.doubts = []
}

/** As `announcePeer`; the peer-devices are announced for themselves. */
export function announceDevice(device: DeviceState): void {
  device.announced = true
  device.minor = null
  device.disk = null
  device.client = null
  device.quorum = null
  device.sizeBytes = null
  device.doubts = []
}

export function mergeConnection(peer: PeerState, line: Events2Change, doubts: readonly DrbdDoubt[]): void {
  peer.doubts = doubts.length > 0 ? doubts : settleOvertaken(peer.doubts, line)
  if (line.connection !== undefined) peer.connection = line.connection
}

export function mergeDevice(device: DeviceState, line: Events2Change, doubts: readonly DrbdDoubt[]): void {
  device.doubts = doubts.length > 0 ? doubts : settleOvertaken(device.doubts, line)
  if (line.minor !== undefined && device.minor === null) device.minor = keptWord(line.minor)
  if (line.disk !== undefined) device.disk = line.disk
  if (line.client !== undefined) device.client = keptWord(line.client)
  if (line.quorum !== undefined) device.quorum = keptWord(line.quorum)
  if (line.sizeBytes !== undefined) device.sizeBytes = line.sizeBytes
  if (line.disk !== undefined) for (const pair of device.peerDevices) pair.passage.see(pair, device.disk, false)
}

/** @param disk the word of this host's own disk, as far as it is known */
export function mergePeerDevice(
  seen: PeerDeviceState,
  line: Events2Change,
  disk: string | null,
  doubts: readonly DrbdDoubt[],
): void {
  seen.doubts = doubts.length > 0 ? doubts : settleOvertaken(seen.doubts, line)
  if (line.replication !== undefined) {
    seen.replication = line.replication
    // Figures are of the activity that the word before named.
    seen.done = null
    seen.totalBytes = null
    seen.etaSeconds = null
    seen.contradicted = false
  }
  if (line.peerDisk !== undefined) seen.peerDisk = line.peerDisk
  if (line.peerClient !== undefined) seen.client = keptWord(line.peerClient)
  if (line.resyncSuspended !== undefined) seen.resyncSuspended = keptWord(line.resyncSuspended)
  if (line.outOfSyncBytes !== undefined) seen.outOfSyncBytes = line.outOfSyncBytes
  if (line.receivedBytes !== undefined) seen.receivedBytes = line.receivedBytes
  if (line.sentBytes !== undefined) seen.sentBytes = line.sentBytes
  if (line.etaSeconds !== undefined) seen.etaSeconds = line.etaSeconds
  if (line.totalBytes !== undefined) seen.totalBytes = line.totalBytes
  if (line.done !== undefined) mergeDone(seen, line.done, line.totalBytes !== undefined)
  seen.passage.see(seen, disk, line.replication !== undefined)
}

/** DRBD says `done:` only in a resync and in a verify (print_peer_device_statistics; all the captures). */
function mergeDone(seen: PeerDeviceState, done: number | null, isTotalSaid: boolean): void {
  seen.done = done
  const meaning = seen.replication === null ? null : wordMeaning(REPLICATION_WORDS, seen.replication)
  if (meaning?.kind === 'off' || meaning?.kind === 'steady') seen.contradicted = true
  if (isTotalSaid || meaning?.kind === 'verify' || done === null) return
  // Of two decimals the whole is told well only at the beginning.
  if (seen.totalBytes === null || done < 0.5) seen.totalBytes = totalFromDone(seen.outOfSyncBytes, done)
}
