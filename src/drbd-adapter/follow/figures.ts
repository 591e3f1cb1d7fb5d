import { type DrbdPeer, type DrbdVolume, REPLICATION_WORDS, wordMeaning } from '../../sync-query/judge/drbd.ts'
import { type DeviceState, ofPeer, type PeerDeviceState } from '../events2/events2-tree.ts'

/** Data of this volume is being copied or compared, or is about to be: figures change without an event on 8.4. */
export function isMoving({ peerDevices }: DeviceState): boolean {
  return peerDevices.some(({ replication }) => {
    const kind = replication === null ? null : wordMeaning(REPLICATION_WORDS, replication)?.kind
    return kind !== 'steady' && kind !== 'off'
  })
}

/** A peer is away: what is out of sync with it grows with every write, and no DRBD says so by an event. */
export function isAlone({ resource }: DeviceState): boolean {
  return resource.peers.some(({ connection }) => connection !== 'Connected')
}

/** It has no peer at all: on 8.4 that is StandAlone, whose connection is destroyed. */
export function hasNoPeer({ resource }: DeviceState): boolean {
  return resource.peers.length === 0
}

/** A peer with data has gone from the kernel's configuration since the last whole look. */
export function hasLostPeer({ resource }: DeviceState): boolean {
  return resource.removedPeers.length > 0
}

/**
 * Takes from a later look that peers which were removed are still not there: then that is how it is meant to be.
 *
 * @returns whether it was news
 */
export function takeRemovals({ resource }: DeviceState, look: DeviceState): boolean {
  const open = resource.removedPeers.filter(({ nodeId }) => ofPeer(look.resource.peers, nodeId) !== undefined)
  const isNews = open.length < resource.removedPeers.length
  resource.removedPeers = open
  return isNews
}

/**
 * Takes from a later look whether I/O is suspended: DRBD tells of the resource when its role changes, and not each time that it
 * loses its quorum or waits for fencing.
 *
 * @returns whether it was news
 */
export function takeIo({ resource }: DeviceState, look: DeviceState): boolean {
  const { suspended, forceIoFailures } = look.resource
  const isNews = resource.suspended !== suspended || resource.forceIoFailures !== forceIoFailures
  resource.suspended = suspended
  resource.forceIoFailures = forceIoFailures
  return isNews
}

/**
 * Takes the out-of-sync amounts of a later look, and while data moves the bytes that went over the connection. Only where both
 * tell the same words: a figure belongs to what its word says is going on.
 *
 * @returns whether one was another
 */
export function takeOutOfSync(live: DeviceState, look: DeviceState): boolean {
  let isOther = false
  for (const peer of look.peerDevices) {
    const { nodeId, replication, outOfSyncBytes } = peer
    const seen = ofPeer(live.peerDevices, nodeId)
    const isSame = seen?.replication === replication && connectionOf(live, nodeId) === connectionOf(look, nodeId)
    if (seen === undefined || !isSame) continue
    if (isMoving(live) && takeMoved(seen, peer)) isOther = true
    if (outOfSyncBytes === null || seen.outOfSyncBytes === outOfSyncBytes) continue
    seen.outOfSyncBytes = outOfSyncBytes
    seen.passage.see(seen, live.disk, false)
    isOther = true
  }
  return isOther
}

/** At rest the counters rise with each write and mean nothing here. */
function takeMoved(seen: PeerDeviceState, { receivedBytes, sentBytes }: PeerDeviceState): boolean {
  const isOther = seen.receivedBytes !== receivedBytes || seen.sentBytes !== sentBytes
  seen.receivedBytes = receivedBytes
  seen.sentBytes = sentBytes
  return isOther
}

/**
 * As `takeOutOfSync`, from /proc/drbd of 8.4, which knows progress and estimate as well; its volume has one peer.
 *
 * @returns `disagrees`: it says another word than the events did
 */
export function takeProcFigures(live: DeviceState, { peers: [look] }: DrbdVolume): 'taken' | 'same' | 'disagrees' {
  const [seen] = live.peerDevices
  if (look === undefined) return 'same'
  if (hasNoPeer(live)) return takeAlone(live, look)
  if (seen === undefined) return 'same'
  if (seen.replication !== look.replication) return 'disagrees'
  const isOther = seen.outOfSyncBytes !== look.outOfSyncBytes || seen.done !== look.progress
  takeAll(seen, look)
  seen.passage.see(seen, live.disk, false)
  return isOther ? 'taken' : 'same'
}

/** The events of 8.4 destroy a connection that is StandAlone; /proc/drbd keeps it, and what has changed here since. */
function takeAlone(live: DeviceState, { connection, outOfSyncBytes }: DrbdPeer): 'taken' | 'same' {
  if (connection !== 'StandAlone' || outOfSyncBytes === live.aloneOutOfSyncBytes) return 'same'
  live.aloneOutOfSyncBytes = outOfSyncBytes
  return 'taken'
}

function takeAll(seen: PeerDeviceState, look: DrbdPeer): void {
  seen.outOfSyncBytes = look.outOfSyncBytes ?? seen.outOfSyncBytes
  // /proc/drbd gives both counters of its one peer; here only their sum counts.
  seen.receivedBytes = look.movedBytes
  seen.sentBytes = null
  seen.done = look.progress
  seen.totalBytes = look.totalBytes
  seen.etaSeconds = look.etaSeconds
}

function connectionOf({ resource }: DeviceState, nodeId: string): string | null | undefined {
  return ofPeer(resource.peers, nodeId)?.connection
}
