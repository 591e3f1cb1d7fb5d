import { type DrbdDoubt, REPLICATION_WORDS, wordMeaning } from '../../sync-query/judge/drbd.ts'
import { detachedWord, totalFromDone } from '../drbd-words.ts'
import type { Events2Change } from './events2-line.ts'
import { settleOvertaken } from './events2-overtaken.ts'
import {
  type DeviceState,
  newDevice,
  newPeer,
  newPeerDevice,
  ofPeer,
  type PeerDeviceState,
  type PeerState,
  type ResourceState,
} from './events2-tree.ts'

/** DRBD allows 31; a stream with more than this is broken. */
const MAX_PEERS = 64

/**
 * Whether a line was applied. `destroy-unknown`: an unknown object was destroyed. The others mean that an earlier line was lost, or that
 * this one is damaged.
 */
export type ApplyResult = 'applied' | 'destroy-unknown' | 'unannounced' | 'contradiction' | 'too-many'

/**
 * Applies the I/O state of a resource line, which is that of all its volumes.
 *
 * @returns true if anything changed
 */
export function applyIo(resource: ResourceState, { suspended, forceIoFailures }: Events2Change): boolean {
  const before = `${resource.suspended} ${resource.forceIoFailures}`
  if (suspended !== undefined) resource.suspended = detachedWord(suspended)
  if (forceIoFailures !== undefined) resource.forceIoFailures = detachedWord(forceIoFailures)
  return before !== `${resource.suspended} ${resource.forceIoFailures}`
}

/** Applies a line about a connection. */
export function applyConnection(
  resource: ResourceState,
  line: Events2Change,
  doubts: readonly DrbdDoubt[],
): ApplyResult {
  const { verb, peerNodeId: nodeId = '' } = line
  const known = ofPeer(resource.peers, nodeId)
  if (verb === 'destroy') return known === undefined ? 'destroy-unknown' : removePeer(resource, known)
  if (verb === 'change' && known?.announced !== true) return 'unannounced'
  const peer = namedPeer(resource, known, nodeId, line.connName)
  if (typeof peer === 'string') return peer
  if (verb !== 'change') {
    announcePeer(peer)
    if (ofPeer(resource.removedPeers, nodeId) !== undefined) {
      resource.removedPeers = resource.removedPeers.filter(each => each.nodeId !== nodeId)
    }
  }
  mergeConnection(peer, line, doubts)
  if (line.connection === 'Connected') forgetSplitBrain(resource, nodeId)
  // Newer drbdsetup prints it for a StandAlone connection (print_connection_changes).
  if (line.syncState === 'SplitBrain') rememberSplitBrain(resource, nodeId, line.connName)
  return 'applied'
}

/** Applies a line about a path, which only proves that its connection exists. */
export function applyPath(resource: ResourceState, line: Events2Change): ApplyResult {
  const { verb, peerNodeId: nodeId = '' } = line
  if (verb === 'destroy') return 'applied'
  const peer = namedPeer(resource, ofPeer(resource.peers, nodeId), nodeId, line.connName)
  return typeof peer === 'string' ? peer : 'applied'
}

/** Applies a line about a device. @param known the device that the line names, if it exists */
export function applyDevice(
  resource: ResourceState,
  known: DeviceState | undefined,
  line: Events2Change,
  doubts: readonly DrbdDoubt[],
): ApplyResult {
  const { verb, volume = '', minor } = line
  if (verb === 'destroy') return resource.devices.delete(volume) ? 'applied' : 'destroy-unknown'
  if (verb === 'change') {
    if (known?.announced !== true) return 'unannounced'
    if (minor !== undefined && known.minor !== null && minor !== known.minor) return 'contradiction'
    mergeDevice(known, line, doubts)
    return 'applied'
  }
  const device = known ?? newDevice(resource, detachedWord(volume))
  announceDevice(device)
  mergeDevice(device, line, doubts)
  resource.devices.set(device.volume, device)
  return 'applied'
}

/** Applies a line about a peer-device. @param known the device that it belongs to, if it exists */
export function applyPeerDevice(
  resource: ResourceState,
  known: DeviceState | undefined,
  line: Events2Change,
  doubts: readonly DrbdDoubt[],
): ApplyResult {
  const { verb, peerNodeId: nodeId = '', volume = '', replication } = line
  const seen = known === undefined ? undefined : ofPeer(known.peerDevices, nodeId)
  if (verb === 'destroy') {
    if (known === undefined || seen === undefined) return 'destroy-unknown'
    known.peerDevices = known.peerDevices.filter(each => each !== seen)
    const owner = ofPeer(resource.peers, nodeId)
    if (owner !== undefined) owner.wasClient = owner.wasClient !== false && seen.client === 'yes'
    return 'applied'
  }
  if (verb === 'change' && seen === undefined) return 'unannounced'
  const peer = namedPeer(resource, ofPeer(resource.peers, nodeId), nodeId, line.connName)
  if (typeof peer === 'string') return peer
  // The handshake succeeded: the split brain that the helper was called for is resolved.
  if (replication !== undefined && replication !== 'Off') forgetSplitBrain(resource, nodeId)
  if (verb === 'change' && seen !== undefined) {
    mergePeerDevice(seen, line, known?.disk ?? null, doubts)
    return 'applied'
  }
  // A peer-device without its device proves that the mirror exists.
  const device = known ?? newDevice(resource, detachedWord(volume))
  const peerDevice = newPeerDevice(peer.nodeId)
  mergePeerDevice(peerDevice, line, device.disk, doubts)
  device.peerDevices = [...device.peerDevices.filter(each => each !== seen), peerDevice]
  resource.devices.set(device.volume, device)
  return 'applied'
}

/** Applies `call helper`: the only sign of a split brain before drbd-utils printed `sync-state:`. */
export function applyHelper(resource: ResourceState, { verb, peerNodeId, connName, helper }: Events2Change): void {
  if (verb !== 'call' || peerNodeId === undefined) return
  if (helper === 'split-brain' || helper === 'initial-split-brain') rememberSplitBrain(resource, peerNodeId, connName)
}

function rememberSplitBrain(resource: ResourceState, nodeId: string, connName: string | undefined): void {
  if (ofPeer(resource.splitBrain, nodeId) !== undefined || resource.splitBrain.length >= MAX_PEERS) return
  const name = ofPeer(resource.peers, nodeId)?.name ?? connName ?? nodeId
  resource.splitBrain = [...resource.splitBrain, { nodeId: detachedWord(nodeId), name: detachedWord(name) }]
}

function forgetSplitBrain(resource: ResourceState, nodeId: string): void {
  if (ofPeer(resource.splitBrain, nodeId) === undefined) return
  resource.splitBrain = resource.splitBrain.filter(each => each.nodeId !== nodeId)
}

/**
 * Removes a peer and its peer-devices, which DRBD 9 destroys without a line. A removed diskless client is not recorded: it comes and goes
 * with each virtual disk that another host attaches.
 */
function removePeer(resource: ResourceState, peer: PeerState): ApplyResult {
  const { nodeId, name, wasClient } = peer
  const isOther = (each: { readonly nodeId: string }) => each.nodeId !== nodeId
  const clients = wasClient === null ? [] : [wasClient]
  for (const device of resource.devices.values()) {
    const seen = ofPeer(device.peerDevices, nodeId)
    if (seen !== undefined) clients.push(seen.client === 'yes')
    device.peerDevices = device.peerDevices.filter(isOther)
    device.aloneOutOfSyncBytes = null
  }
  resource.peers = resource.peers.filter(isOther)
  const isClient = clients.length > 0 && clients.every(client => client)
  if (!isClient && resource.removedPeers.length < MAX_PEERS) {
    resource.removedPeers = [...resource.removedPeers.filter(isOther), { nodeId, name: name ?? nodeId }]
  }
  return 'applied'
}

/** Finds or creates the peer that a line names; or returns why the line cannot belong to it. */
function namedPeer(
  resource: ResourceState,
  known: PeerState | undefined,
  nodeId: string,
  connName: string | undefined,
): PeerState | 'contradiction' | 'too-many' {
  if (known === undefined && resource.peers.length >= MAX_PEERS) return 'too-many'
  const peer = known ?? newPeer(detachedWord(nodeId))
  if (connName !== undefined && connName !== peer.name) {
    if (peer.name !== null) return 'contradiction'
    peer.name = detachedWord(connName)
  }
  if (known === undefined) resource.peers = [...resource.peers, peer]
  return peer
}

/** `exists` or `create` of a peer: clears what earlier lines reported. */
function announcePeer(peer: PeerState): void {
  peer.announced = true
  peer.connection = null
  peer.wasClient = null
  peer.doubts = []
}

/** `exists` or `create` of a device: as `announcePeer`. Peer-devices have lines of their own. */
function announceDevice(device: DeviceState): void {
  device.announced = true
  device.minor = null
  device.disk = null
  device.client = null
  device.quorum = null
  device.sizeBytes = null
  device.doubts = []
}

function mergeConnection(peer: PeerState, line: Events2Change, doubts: readonly DrbdDoubt[]): void {
  peer.doubts = doubts.length > 0 ? doubts : settleOvertaken(peer.doubts, line)
  if (line.connection !== undefined) peer.connection = line.connection
}

function mergeDevice(device: DeviceState, line: Events2Change, doubts: readonly DrbdDoubt[]): void {
  device.doubts = doubts.length > 0 ? doubts : settleOvertaken(device.doubts, line)
  if (line.minor !== undefined && device.minor === null) device.minor = detachedWord(line.minor)
  if (line.disk !== undefined) device.disk = line.disk
  if (line.client !== undefined) device.client = detachedWord(line.client)
  if (line.quorum !== undefined) device.quorum = detachedWord(line.quorum)
  if (line.sizeBytes !== undefined) device.sizeBytes = line.sizeBytes
  if (line.disk !== undefined) for (const each of device.peerDevices) each.activity.observe(each, device.disk, false)
}

/** @param disk the state word of this host's disk; `null`: not known */
function mergePeerDevice(
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
