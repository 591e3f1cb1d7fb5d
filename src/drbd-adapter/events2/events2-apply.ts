import type { DrbdDoubt } from '../../sync-query/judge/drbd.ts'
import { keptWord } from '../drbd-words.ts'
import type { Events2Change } from './events2-line.ts'
import { announceDevice, announcePeer, mergeConnection, mergeDevice, mergePeerDevice } from './events2-merge.ts'
import {
  type DeviceState,
  newDevice,
  newPeer,
  newPeerDevice,
  ofPeer,
  type PeerState,
  type ResourceState,
} from './events2-tree.ts'

/** DRBD allows 31; beyond this a stream is broken. */
const MAX_PEERS = 64

/**
 * Whether a line could be applied. `destroy-unknown`: what was not known is gone. The others mean that a line before it
 * was lost, or that this one is garbled.
 */
export type Outcome = 'applied' | 'destroy-unknown' | 'unannounced' | 'contradiction' | 'too-many'

/**
 * What a line says of the I/O of the resource, which is that of all its volumes.
 *
 * @returns whether it is news
 */
export function applyIo(resource: ResourceState, { suspended, forceIoFailures }: Events2Change): boolean {
  const before = `${resource.suspended} ${resource.forceIoFailures}`
  if (suspended !== undefined) resource.suspended = keptWord(suspended)
  if (forceIoFailures !== undefined) resource.forceIoFailures = keptWord(forceIoFailures)
  return before !== `${resource.suspended} ${resource.forceIoFailures}`
}

/** A line about a connection. */
export function applyConnection(resource: ResourceState, line: Events2Change, doubts: readonly DrbdDoubt[]): Outcome {
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
  if (line.connection === 'Connected') splitBrainSettled(resource, nodeId)
  // Newer drbdsetup says it itself of a connection that is StandAlone (print_connection_changes).
  if (line.syncState === 'SplitBrain') rememberSplitBrain(resource, nodeId, line.connName)
  return 'applied'
}

/** A line about a path: it only proves that its connection must be there. */
export function applyPath(resource: ResourceState, line: Events2Change): Outcome {
  const { verb, peerNodeId: nodeId = '' } = line
  if (verb === 'destroy') return 'applied'
  const peer = namedPeer(resource, ofPeer(resource.peers, nodeId), nodeId, line.connName)
  return typeof peer === 'string' ? peer : 'applied'
}

/** A line about a device; `known` is the one it names, if there is one. */
export function applyDevice(
  resource: ResourceState,
  known: DeviceState | undefined,
  line: Events2Change,
  doubts: readonly DrbdDoubt[],
): Outcome {
  const { verb, volume = '', minor } = line
  if (verb === 'destroy') return resource.devices.delete(volume) ? 'applied' : 'destroy-unknown'
  if (verb === 'change') {
    if (known?.announced !== true) return 'unannounced'
    if (minor !== undefined && known.minor !== null && minor !== known.minor) return 'contradiction'
    mergeDevice(known, line, doubts)
    return 'applied'
  }
  const device = known ?? newDevice(resource, keptWord(volume))
  announceDevice(device)
  mergeDevice(device, line, doubts)
  resource.devices.set(device.volume, device)
  return 'applied'
}

/** A line about a peer-device; `known` is the device it belongs to, if there is one. */
export function applyPeerDevice(
  resource: ResourceState,
  known: DeviceState | undefined,
  line: Events2Change,
  doubts: readonly DrbdDoubt[],
): Outcome {
  const { verb, peerNodeId: nodeId = '', volume = '', replication } = line
  const seen = known === undefined ? undefined : ofPeer(known.peerDevices, nodeId)
  if (verb === 'destroy') {
    if (known === undefined || seen === undefined) return 'destroy-unknown'
    known.peerDevices = known.peerDevices.filter(each => each !== seen)
    const its = ofPeer(resource.peers, nodeId)
    if (its !== undefined) its.wasClient = its.wasClient !== false && seen.client === 'yes'
    return 'applied'
  }
  if (verb === 'change' && seen === undefined) return 'unannounced'
  const peer = namedPeer(resource, ofPeer(resource.peers, nodeId), nodeId, line.connName)
  if (typeof peer === 'string') return peer
  // The handshake got through: whatever the split-brain helper was called for is settled.
  if (replication !== undefined && replication !== 'Off') splitBrainSettled(resource, nodeId)
  if (verb === 'change' && seen !== undefined) {
    mergePeerDevice(seen, line, known?.disk ?? null, doubts)
    return 'applied'
  }
  // A peer-device whose device was lost still shows that there is such a mirror.
  const device = known ?? newDevice(resource, keptWord(volume))
  const peerDevice = newPeerDevice(peer.nodeId)
  mergePeerDevice(peerDevice, line, device.disk, doubts)
  device.peerDevices = [...device.peerDevices.filter(each => each !== seen), peerDevice]
  resource.devices.set(device.volume, device)
  return 'applied'
}

/** `call helper`: the kernel's only word of a split brain before drbd-utils said `sync-state:`. */
export function applyHelper(resource: ResourceState, { verb, peerNodeId, connName, helper }: Events2Change): void {
  if (verb !== 'call' || peerNodeId === undefined) return
  if (helper === 'split-brain' || helper === 'initial-split-brain') rememberSplitBrain(resource, peerNodeId, connName)
}

function rememberSplitBrain(resource: ResourceState, nodeId: string, connName: string | undefined): void {
  if (ofPeer(resource.splitBrain, nodeId) !== undefined || resource.splitBrain.length >= MAX_PEERS) return
  const name = ofPeer(resource.peers, nodeId)?.name ?? connName ?? nodeId
  resource.splitBrain = [...resource.splitBrain, { nodeId: keptWord(nodeId), name: keptWord(name) }]
}

function splitBrainSettled(resource: ResourceState, nodeId: string): void {
  if (ofPeer(resource.splitBrain, nodeId) === undefined) return
  resource.splitBrain = resource.splitBrain.filter(each => each.nodeId !== nodeId)
}

/**
 * DRBD 9 destroys a connection's peer-devices without a word. That a diskless client is gone is no loss: one comes and goes
 * with each virtual disk that is attached on another host.
 */
function removePeer(resource: ResourceState, peer: PeerState): Outcome {
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

/** The peer that a line names, made if it was not known; or why the line cannot belong to it. */
function namedPeer(
  resource: ResourceState,
  known: PeerState | undefined,
  nodeId: string,
  connName: string | undefined,
): PeerState | 'contradiction' | 'too-many' {
  if (known === undefined && resource.peers.length >= MAX_PEERS) return 'too-many'
  const peer = known ?? newPeer(keptWord(nodeId))
  if (connName !== undefined && connName !== peer.name) {
    if (peer.name !== null) return 'contradiction'
    peer.name = keptWord(connName)
  }
  if (known === undefined) resource.peers = [...resource.peers, peer]
  return peer
}
