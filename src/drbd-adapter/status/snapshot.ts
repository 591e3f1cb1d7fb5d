import type { DrbdDoubt, DrbdPeer, DrbdVolume } from '../../sync-query/judge/drbd.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'

/** What one output of a tool or one reading of a file says of all volumes. */
export interface DrbdSnapshot {
  /** False: this is not what it was taken for. Then having no volumes never means "nothing to sync". */
  readonly understood: boolean
  readonly volumes: readonly DrbdVolume[]
  readonly problems: readonly Problem[]
}

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

/** A peer while it is being read. */
export type PeerDraft = Writable<DrbdPeer>

/** A volume while it is being read. */
export interface VolumeDraft extends Writable<Omit<DrbdVolume, 'peers' | 'doubts'>> {
  peers: PeerDraft[]
  doubts: DrbdDoubt[]
}

/** A volume of which nothing was said yet. */
export function emptyVolume(mirror: string, family: DrbdVolume['family']): VolumeDraft {
  return {
    mirror,
    family,
    disk: null,
    intentionalClient: null,
    quorum: null,
    ioSuspended: null,
    forcesIoFailures: null,
    sizeBytes: null,
    aloneOutOfSyncBytes: null,
    peers: [],
    doubts: [],
    splitBrainPeers: [],
    removedPeers: [],
    configured: true,
  }
}

/** A peer of which nothing was said yet. */
export function emptyPeer(peer: string): PeerDraft {
  return {
    peer,
    connection: null,
    replication: null,
    peerDisk: null,
    intentionalClient: null,
    resyncSuspended: null,
    outOfSyncBytes: null,
    movedBytes: null,
    progress: null,
    totalBytes: null,
    etaSeconds: null,
    passed: null,
  }
}
