import { type DeviceState, ofPeer, type PeerDeviceState, type PeerState } from '../events2/events2-tree.ts'

/**
 * In what the words that the events have told of a volume differ from what a later look shows, as text; `null` if in
 * nothing. Figures may differ: they change without an event.
 */
export function disagreement(live: DeviceState | undefined, look: DeviceState | undefined): string | null {
  if (live === undefined || look === undefined) {
    return live === look
      ? null
      : `${live === undefined ? 'not there' : 'there'}, is ${look === undefined ? 'not ' : ''}there`
  }
  return (
    differ('disk', live.disk, look.disk) ??
    differIfSaid('client', live.client, look.client) ??
    differIfSaid('quorum', live.quorum, look.quorum) ??
    differAtPeers(live, look)
  )
}

function differAtPeers(live: DeviceState, look: DeviceState): string | null {
  for (const peer of look.resource.peers) {
    const known = ofPeer(live.resource.peers, peer.nodeId)
    // 8.4 destroys a connection that becomes StandAlone, and yet its dump shows it (recorded).
    if (known === undefined && peer.connection === 'StandAlone') continue
    const found = differAtPeer(peer.nodeId, known, peer, live, look)
    if (found !== null) return found
  }
  const gone = live.resource.peers.find(({ nodeId }) => ofPeer(look.resource.peers, nodeId) === undefined)
  return gone === undefined ? null : `peer ${gone.nodeId} there, is not there`
}

function differAtPeer(
  nodeId: string,
  known: PeerState | undefined,
  peer: PeerState,
  live: DeviceState,
  look: DeviceState,
): string | null {
  const a: Partial<PeerDeviceState> = ofPeer(live.peerDevices, nodeId) ?? {}
  const b: Partial<PeerDeviceState> = ofPeer(look.peerDevices, nodeId) ?? {}
  const found =
    differ('connection', known?.connection, peer.connection) ??
    differ('replication', a.replication, b.replication) ??
    differ('peer-disk', a.peerDisk, b.peerDisk) ??
    differ('resync-suspended', a.resyncSuspended, b.resyncSuspended) ??
    // Of a peer that is away a dump of 9.2 tells another `peer-client` than the events did (recorded).
    (peer.connection === 'Connected' ? differIfSaid('peer-client', a.client, b.client) : null)
  return found === null ? null : `peer ${nodeId} ${found}`
}

/** Of words that some versions print only beside figures. */
function differIfSaid(field: string, live: string | null | undefined, look: string | null | undefined): string | null {
  return look === null || look === undefined ? null : differ(field, live, look)
}

function differ(field: string, live: string | null | undefined, look: string | null | undefined): string | null {
  return live === look ? null : `${field} ${live ?? 'not said'}, is ${look ?? 'not said'}`
}
