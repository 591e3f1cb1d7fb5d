import { type DeviceState, ofPeer, type PeerDeviceState, type PeerState } from '../events2/events2-tree.ts'

/**
 * Compares the state words that events reported for a volume with those of a later dump. Returns the first difference as text, or
 * `null`. Statistics are not compared: they change without an event.
 */
export function stateDifference(live: DeviceState | undefined, dump: DeviceState | undefined): string | null {
  if (live === undefined || dump === undefined) {
    if (live === dump) return null
    return live === undefined ? 'exists, events did not report it' : 'does not exist, events reported it'
  }
  return (
    differ('disk', live.disk, dump.disk) ??
    differIfPresent('client', live.client, dump.client) ??
    differIfPresent('quorum', live.quorum, dump.quorum) ??
    differAtPeers(live, dump)
  )
}

function differAtPeers(live: DeviceState, dump: DeviceState): string | null {
  for (const peer of dump.resource.peers) {
    const known = ofPeer(live.resource.peers, peer.nodeId)
    // 8.4 destroys a connection that becomes StandAlone, and its dump still shows it (recorded).
    if (known === undefined && peer.connection === 'StandAlone') continue
    const found = differAtPeer(peer.nodeId, known, peer, live, dump)
    if (found !== null) return found
  }
  const removed = live.resource.peers.find(({ nodeId }) => ofPeer(dump.resource.peers, nodeId) === undefined)
  return removed === undefined ? null : `peer ${removed.nodeId} does not exist, events reported it`
}

function differAtPeer(
  nodeId: string,
  known: PeerState | undefined,
  peer: PeerState,
  live: DeviceState,
  dump: DeviceState,
): string | null {
  const a: Partial<PeerDeviceState> = ofPeer(live.peerDevices, nodeId) ?? {}
  const b: Partial<PeerDeviceState> = ofPeer(dump.peerDevices, nodeId) ?? {}
  const found =
    differ('connection', known?.connection, peer.connection) ??
    differ('replication', a.replication, b.replication) ??
    differ('peer-disk', a.peerDisk, b.peerDisk) ??
    differ('resync-suspended', a.resyncSuspended, b.resyncSuspended) ??
    // For a peer that is not connected a dump of 9.2 shows another `peer-client` than the events did (recorded).
    (peer.connection === 'Connected' ? differIfPresent('peer-client', a.client, b.client) : null)
  return found === null ? null : `peer ${nodeId} ${found}`
}

/** Compares a word that some versions print only beside statistics. */
function differIfPresent(
  field: string,
  live: string | null | undefined,
  dump: string | null | undefined,
): string | null {
  return dump === null || dump === undefined ? null : differ(field, live, dump)
}

function differ(field: string, live: string | null | undefined, dump: string | null | undefined): string | null {
  return live === dump ? null : `${field} is ${dump ?? 'absent'}, events reported ${live ?? 'none'}`
}
