import { type DrbdPeer, type DrbdVolume, REPLICATION_WORDS, wordMeaning } from '../../sync-query/judge/drbd.ts'
import { type DeviceState, ofPeer, type PeerDeviceState } from '../events2/events2-tree.ts'

/** Data of this volume is being copied or compared, or is about to be. On 8.4 its statistics change without an event. */
export function isMoving({ peerDevices }: DeviceState): boolean {
  return peerDevices.some(({ replication }) => {
    const kind = replication === null ? null : wordMeaning(REPLICATION_WORDS, replication)?.kind
    return kind !== 'steady' && kind !== 'off'
  })
}

/** A peer is not connected. The amount that is out of sync with it grows with every write, and no DRBD prints an event for that. */
export function hasDisconnectedPeer({ resource }: DeviceState): boolean {
  return resource.peers.some(({ connection }) => connection !== 'Connected')
}

/** The volume has no peer at all. On 8.4 that is StandAlone, whose connection is destroyed. */
export function hasNoPeer({ resource }: DeviceState): boolean {
  return resource.peers.length === 0
}

/** A peer with data was removed from the kernel's configuration since the last dump with statistics. */
export function hasRemovedPeer({ resource }: DeviceState): boolean {
  return resource.removedPeers.length > 0
}

/**
 * Forgets the removed peers that a later dump does not show either: their removal is intended.
 *
 * @returns true if anything changed
 */
export function confirmRemovals({ resource }: DeviceState, dump: DeviceState): boolean {
  const open = resource.removedPeers.filter(({ nodeId }) => ofPeer(dump.resource.peers, nodeId) !== undefined)
  const isNew = open.length < resource.removedPeers.length
  resource.removedPeers = open
  return isNew
}

/**
 * Copies from a later dump whether I/O is suspended. DRBD prints an event for the resource when its role changes, but not every
 * time that it loses quorum or waits for fencing.
 *
 * @returns true if anything changed
 */
export function copyIo({ resource }: DeviceState, dump: DeviceState): boolean {
  const { suspended, forceIoFailures } = dump.resource
  const isNew = resource.suspended !== suspended || resource.forceIoFailures !== forceIoFailures
  resource.suspended = suspended
  resource.forceIoFailures = forceIoFailures
  return isNew
}

/**
 * Copies the out-of-sync amounts of a later dump, and while data moves the bytes that went over the connection. Only for peers whose
 * words are equal in both: an amount belongs to the activity that its word names.
 *
 * @returns true if anything changed
 */
export function copyOutOfSync(live: DeviceState, dump: DeviceState): boolean {
  let isNew = false
  for (const peer of dump.peerDevices) {
    const { nodeId, replication, outOfSyncBytes } = peer
    const seen = ofPeer(live.peerDevices, nodeId)
    const isSame = seen?.replication === replication && connectionOf(live, nodeId) === connectionOf(dump, nodeId)
    if (seen === undefined || !isSame) continue
    if (isMoving(live) && copyMoved(seen, peer)) isNew = true
    if (outOfSyncBytes === null || seen.outOfSyncBytes === outOfSyncBytes) continue
    seen.outOfSyncBytes = outOfSyncBytes
    seen.activity.observe(seen, live.disk, false)
    isNew = true
  }
  return isNew
}

/** At rest the counters rise with each write and are not used. */
function copyMoved(seen: PeerDeviceState, { receivedBytes, sentBytes }: PeerDeviceState): boolean {
  const isNew = seen.receivedBytes !== receivedBytes || seen.sentBytes !== sentBytes
  seen.receivedBytes = receivedBytes
  seen.sentBytes = sentBytes
  return isNew
}

/**
 * Copies the statistics of /proc/drbd of 8.4, which include progress and estimate. A volume of 8.4 has one peer.
 *
 * @returns `disagrees`: its state word differs from the one that events reported
 */
export function copyProcStatistics(live: DeviceState, { peers: [proc] }: DrbdVolume): 'changed' | 'same' | 'disagrees' {
  const [seen] = live.peerDevices
  if (proc === undefined) return 'same'
  if (hasNoPeer(live)) return copyStandAlone(live, proc)
  if (seen === undefined) return 'same'
  if (seen.replication !== proc.replication) return 'disagrees'
  const isNew = seen.outOfSyncBytes !== proc.outOfSyncBytes || seen.done !== proc.progress
  copyAll(seen, proc)
  seen.activity.observe(seen, live.disk, false)
  return isNew ? 'changed' : 'same'
}

/** The events of 8.4 destroy a StandAlone connection; /proc/drbd keeps it, with the amount that changed on this host since. */
function copyStandAlone(live: DeviceState, { connection, outOfSyncBytes }: DrbdPeer): 'changed' | 'same' {
  if (connection !== 'StandAlone' || outOfSyncBytes === live.aloneOutOfSyncBytes) return 'same'
  live.aloneOutOfSyncBytes = outOfSyncBytes
  return 'changed'
}

function copyAll(seen: PeerDeviceState, proc: DrbdPeer): void {
  seen.outOfSyncBytes = proc.outOfSyncBytes ?? seen.outOfSyncBytes
  // /proc/drbd has both counters of its one peer; only their sum is used.
  seen.receivedBytes = proc.movedBytes
  seen.sentBytes = null
  seen.done = proc.progress
  seen.totalBytes = proc.totalBytes
  seen.etaSeconds = proc.etaSeconds
}

function connectionOf({ resource }: DeviceState, nodeId: string): string | null | undefined {
  return ofPeer(resource.peers, nodeId)?.connection
}
