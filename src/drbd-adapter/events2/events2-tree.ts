import type { DrbdDoubt, DrbdPeer, DrbdVolume, PassedThrough } from '../../sync-query/judge/drbd.ts'
import { sumOfKnown, suspendedParts, yesNo } from '../drbd-words.ts'
import { PeerActivity } from './peer-activity.ts'

/**
 * The merged state of each kernel object. `announced`: by `exists` or `create`, not only named by another object. Peers are few (DRBD
 * allows 31) and searched linearly; volumes can be many.
 */
export interface ResourceState {
  name: string
  /** `no`, or what suspends the I/O. */
  suspended: string | null
  forceIoFailures: string | null
  readonly devices: Map<string, DeviceState>
  peers: readonly PeerState[]
  /** Peers for which the kernel called its split-brain helper. It outlives the connection, which 8.4 destroys. */
  splitBrain: readonly { readonly nodeId: string; readonly name: string }[]
  /** Peers with data whose connection was destroyed and not created again, until a later dump confirms that. */
  removedPeers: readonly { readonly nodeId: string; readonly name: string }[]
}

export interface PeerState {
  /** Identifies the peer: `conn-name` is missing in some lines of 8.4. */
  readonly nodeId: string
  name: string | null
  announced: boolean
  connection: string | null
  /** All destroyed peer-devices belonged to a diskless client; `null`: none was destroyed. */
  wasClient: boolean | null
  doubts: readonly DrbdDoubt[]
}

export interface DeviceState {
  mirror: string
  readonly resource: ResourceState
  readonly volume: string
  announced: boolean
  /** It is in the list of `ChangedMirrors`. */
  isChanged: boolean
  minor: string | null
  disk: string | null
  client: string | null
  quorum: string | null
  sizeBytes: number | null
  aloneOutOfSyncBytes: number | null
  doubts: readonly DrbdDoubt[]
  peerDevices: readonly PeerDeviceState[]
}

export interface PeerDeviceState {
  readonly nodeId: string
  replication: string | null
  peerDisk: string | null
  client: string | null
  resyncSuspended: string | null
  outOfSyncBytes: number | null
  receivedBytes: number | null
  sentBytes: number | null
  done: number | null
  totalBytes: number | null
  etaSeconds: number | null
  /** A line has `done:` although the known state is neither resync nor verify: a line was lost or damaged. */
  contradicted: boolean
  doubts: readonly DrbdDoubt[]
  readonly activity: PeerActivity
}

const NO_DOUBTS: readonly DrbdDoubt[] = []
const NO_NAMES: readonly string[] = []

export function newResource(name: string): ResourceState {
  return {
    name,
    suspended: null,
    forceIoFailures: null,
    devices: new Map(),
    peers: [],
    splitBrain: [],
    removedPeers: [],
  }
}

export function newPeer(nodeId: string): PeerState {
  return { nodeId, name: null, announced: false, connection: null, wasClient: null, doubts: NO_DOUBTS }
}

export function newDevice(resource: ResourceState, volume: string): DeviceState {
  return {
    mirror: mirrorName(resource, volume),
    resource,
    volume,
    announced: false,
    isChanged: false,
    minor: null,
    disk: null,
    client: null,
    quorum: null,
    sizeBytes: null,
    aloneOutOfSyncBytes: null,
    doubts: NO_DOUBTS,
    peerDevices: [],
  }
}

export function newPeerDevice(nodeId: string): PeerDeviceState {
  return {
    nodeId,
    replication: null,
    peerDisk: null,
    client: null,
    resyncSuspended: null,
    outOfSyncBytes: null,
    receivedBytes: null,
    sentBytes: null,
    done: null,
    totalBytes: null,
    etaSeconds: null,
    contradicted: false,
    doubts: NO_DOUBTS,
    activity: new PeerActivity(),
  }
}

export function mirrorName(resource: ResourceState, volume: string): string {
  return `${resource.name}/${volume}`
}

/** Finds a peer's record in a list of peers or of peer-devices. */
export function ofPeer<Record extends { readonly nodeId: string }>(
  records: readonly Record[],
  nodeId: string,
): Record | undefined {
  for (const record of records) if (record.nodeId === nodeId) return record
  return undefined
}

/**
 * Builds the volume. Missing objects (a device that only its peer-device names, a connection without a peer-device or the reverse)
 * become `null` words.
 *
 * @param moreDoubts the doubts of the stream
 * @param passedOf returns what a peer-device passed through since the volume was last read
 */
export function volumeOf(
  device: DeviceState,
  family: DrbdVolume['family'],
  moreDoubts: readonly DrbdDoubt[],
  passedOf: (seen: PeerDeviceState) => PassedThrough | null,
): DrbdVolume {
  const { resource } = device
  const doubts = moreDoubts.concat(device.doubts)
  const peers = resource.peers.map((peer): DrbdPeer => {
    const name = peer.name ?? peer.nodeId
    const seen = ofPeer(device.peerDevices, peer.nodeId) ?? newPeerDevice(peer.nodeId)
    for (const doubt of peer.doubts) doubts.push({ ...doubt, peer: name })
    for (const doubt of seen.doubts) doubts.push({ ...doubt, peer: name })
    if (seen.contradicted) doubts.push({ code: 'contradiction', field: 'done', peer: name })
    return {
      peer: name,
      nodeId: peer.nodeId,
      connection: peer.connection,
      replication: seen.replication,
      peerDisk: seen.peerDisk,
      intentionalClient: seen.client === null ? null : yesNo(seen.client),
      resyncSuspended: seen.resyncSuspended === null ? null : suspendedParts(seen.resyncSuspended),
      outOfSyncBytes: seen.outOfSyncBytes,
      movedBytes: sumOfKnown(seen.receivedBytes, seen.sentBytes),
      progress: seen.done,
      totalBytes: seen.totalBytes,
      etaSeconds: seen.etaSeconds,
      passed: passedOf(seen),
    }
  })
  return {
    mirror: device.mirror,
    family,
    disk: device.disk,
    intentionalClient: device.client === null ? null : yesNo(device.client),
    quorum: device.quorum === null ? null : yesNo(device.quorum),
    ioSuspended: resource.suspended === null ? null : suspendedParts(resource.suspended),
    forcesIoFailures: resource.forceIoFailures === null ? null : yesNo(resource.forceIoFailures),
    sizeBytes: device.sizeBytes,
    aloneOutOfSyncBytes: peers.length === 0 ? device.aloneOutOfSyncBytes : null,
    peers,
    doubts,
    splitBrainPeers: namesOf(resource.splitBrain),
    removedPeers: namesOf(resource.removedPeers),
    configured: true,
  }
}

function namesOf(peers: readonly { readonly name: string }[]): readonly string[] {
  return peers.length === 0 ? NO_NAMES : peers.map(({ name }) => name)
}
