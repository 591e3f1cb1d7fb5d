import type { DrbdPeer, DrbdVolume } from '../../src/sync-query/judge/drbd.ts'

/** A connected, replicating peer that is in sync and has a value in every status field, with these changes. */
export function peer(name: string, changes: Partial<DrbdPeer> = {}): DrbdPeer {
  return {
    peer: name,
    connection: 'Connected',
    replication: 'Established',
    peerDisk: 'UpToDate',
    intentionalClient: false,
    resyncSuspended: [],
    outOfSyncBytes: 0,
    movedBytes: null,
    progress: null,
    totalBytes: null,
    etaSeconds: null,
    passed: null,
    ...changes,
  }
}

/** A DRBD 9 volume with these peers that is up to date and has a value in every status field, with these changes. */
export function volume(mirror: string, peers: readonly DrbdPeer[], changes: Partial<DrbdVolume> = {}): DrbdVolume {
  return {
    mirror,
    family: '9',
    disk: 'UpToDate',
    intentionalClient: false,
    quorum: true,
    ioSuspended: [],
    forcesIoFailures: false,
    sizeBytes: 1_048_576,
    aloneOutOfSyncBytes: null,
    peers,
    doubts: [],
    splitBrainPeers: [],
    removedPeers: [],
    configured: true,
    ...changes,
  }
}
