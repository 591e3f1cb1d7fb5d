/**
 * One DRBD volume as this host sees it: the words of the kernel, merged from whatever was read, and nothing else.
 * Words are kept as they were said; judging them is judgeDrbdVolume's work. `null` is "not said".
 */
export interface DrbdVolume {
  /** `resource/volume`; `drbdN` (the minor) where the source names no resource (/proc/drbd). */
  readonly mirror: string
  /** Which DRBD speaks: they differ in what a missing peer means. `null` when it could not be told. */
  readonly family: '8.4' | '9' | null
  /** The local disk's word (`UpToDate`, `Diskless`, …). */
  readonly disk: string | null
  /** This host is a diskless client on purpose (9: `client:yes`). */
  readonly intentionalClient: boolean | null
  readonly quorum: boolean | null
  readonly sizeBytes: number | null
  readonly peers: readonly DrbdPeer[]
  /** Why what is said here must not be trusted; any entry makes the mirror `unknown`. */
  readonly doubts: readonly DrbdDoubt[]
  /** The kernel called its split-brain helper for this peer since it was last connected. */
  readonly splitBrainPeers: readonly string[]
  /** A peer that was there is gone from the kernel, and no whole dump has been read since. */
  readonly peerRemoved: boolean
}

export interface DrbdDoubt {
  readonly code: 'dump-incomplete' | 'events-lost' | 'unknown-word' | 'word-missing' | 'contradiction' | 'source-silent'
  readonly field?: string
  readonly word?: string
  readonly peer?: string
}

/** One peer of a volume: the connection's and the peer-device's words together. */
export interface DrbdPeer {
  /** The connection's name (on 9 the peer's host name, on 8.4 always `peer`); its node id in digits where it has none. */
  readonly peer: string
  readonly connection: string | null
  readonly replication: string | null
  readonly peerDisk: string | null
  readonly intentionalClient: boolean | null
  /** The parts of `resync-suspended`: none, or of user, peer, dependency, max-parallel, …; `null` when not said. */
  readonly resyncSuspended: readonly string[] | null
  readonly outOfSyncBytes: number | null
  /** 0..1 of the running resync or verify, where the tool's figure really means that. */
  readonly progress: number | null
  /** What the running resync or verify has to go through, where it was said. */
  readonly totalBytes: number | null
  readonly etaSeconds: number | null
}
