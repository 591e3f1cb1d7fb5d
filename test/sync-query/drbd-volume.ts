import type { DrbdPeer, DrbdVolume } from '../../src/sync-query/judge/drbd.ts'

/** A peer of which everything was said, and all of it is well, but for what is `said` otherwise. */
export function peer(name: string, said: Partial<DrbdPeer> = {}): DrbdPeer {
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
    ...said,
  }
}

/** A volume of DRBD 9 with these peers, as well said. */
export function volume(mirror: string, peers: readonly DrbdPeer[], said: Partial<DrbdVolume> = {}): DrbdVolume {
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
    ...said,
  }
}
