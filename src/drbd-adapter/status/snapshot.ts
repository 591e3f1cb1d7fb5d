import type { DrbdDoubt, DrbdPeer, DrbdVolume } from '../../sync-query/judge/drbd.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'

/** All volumes in one output of a tool or one read of a file. */
export interface DrbdSnapshot {
  /** False: the text is not of the expected format. Then an empty list of volumes does not mean "nothing to sync". */
  readonly understood: boolean
  readonly volumes: readonly DrbdVolume[]
  readonly problems: readonly Problem[]
}

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

/** A peer that is being parsed. */
export type PeerDraft = Writable<DrbdPeer>

/** A volume that is being parsed. */
export interface VolumeDraft extends Writable<Omit<DrbdVolume, 'peers' | 'doubts'>> {
  peers: PeerDraft[]
  doubts: DrbdDoubt[]
}

/** A volume without any value. */
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

/** A peer without any value. */
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
