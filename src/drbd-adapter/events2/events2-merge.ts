import { type DrbdDoubt, REPLICATION_WORDS, wordMeaning } from '../../sync-query/judge/drbd.ts'
import { detachedWord, totalFromDone } from '../drbd-words.ts'
import type { Events2Change } from './events2-line.ts'
import { settleOvertaken } from './events2-overtaken.ts'
import type { DeviceState, PeerDeviceState, PeerState } from './events2-tree.ts'

/** `exists` or `create` of a peer: clears what earlier lines reported. */
export function announcePeer(peer: PeerState): void {
  peer.announced = true
  peer.connection = null
  peer.wasClient = null
  peer.doubts = []
}

/** `exists` or `create` of a device: as `announcePeer`. Peer-devices have lines of their own. */
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
  if (line.minor !== undefined && device.minor === null) device.minor = detachedWord(line.minor)
  if (line.disk !== undefined) device.disk = line.disk
  if (line.client !== undefined) device.client = detachedWord(line.client)
  if (line.quorum !== undefined) device.quorum = detachedWord(line.quorum)
  if (line.sizeBytes !== undefined) device.sizeBytes = line.sizeBytes
  if (line.disk !== undefined) for (const each of device.peerDevices) each.activity.observe(each, device.disk, false)
}

/** @param disk the state word of this host's disk; `null`: not known */
export function mergePeerDevice(
  seen: PeerDeviceState,
  line: Events2Change,
  disk: string | null,
  doubts: readonly DrbdDoubt[],
): void {
  seen.doubts = doubts.length > 0 ? doubts : settleOvertaken(seen.doubts, line)
  if (line.replication !== undefined) {
    seen.replication = line.replication
    // Statistics belong to the activity that the previous word named.
    seen.done = null
    seen.totalBytes = null
    seen.etaSeconds = null
    seen.contradicted = false
  }
  if (line.peerDisk !== undefined) seen.peerDisk = line.peerDisk
  if (line.peerClient !== undefined) seen.client = detachedWord(line.peerClient)
  if (line.resyncSuspended !== undefined) seen.resyncSuspended = detachedWord(line.resyncSuspended)
  if (line.outOfSyncBytes !== undefined) seen.outOfSyncBytes = line.outOfSyncBytes
  if (line.receivedBytes !== undefined) seen.receivedBytes = line.receivedBytes
  if (line.sentBytes !== undefined) seen.sentBytes = line.sentBytes
  if (line.etaSeconds !== undefined) seen.etaSeconds = line.etaSeconds
  if (line.totalBytes !== undefined) seen.totalBytes = line.totalBytes
  if (line.done !== undefined) mergeDone(seen, line.done, line.totalBytes !== undefined)
  seen.activity.observe(seen, disk, line.replication !== undefined)
}

/** DRBD prints `done:` only during a resync or a verify (print_peer_device_statistics; all captures). */
function mergeDone(seen: PeerDeviceState, done: number | null, hasTotal: boolean): void {
  seen.done = done
  const meaning = seen.replication === null ? null : wordMeaning(REPLICATION_WORDS, seen.replication)
  if (meaning?.kind === 'off' || meaning?.kind === 'steady') seen.contradicted = true
  if (hasTotal || meaning?.kind === 'verify' || done === null) return
  // `done` has two decimals, so the total is accurate only at the beginning.
  if (seen.totalBytes === null || done < 0.5) seen.totalBytes = totalFromDone(seen.outOfSyncBytes, done)
}
