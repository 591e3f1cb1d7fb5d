/**
 * The words of `__conn_state_names` in drbd_strings.c (DRBD 9); what 8.4's /proc/drbd says otherwise is mapped by its
 * parser. `away` comes back by itself, `leaving` ends in StandAlone.
 */
export const CONNECTION_WORDS = withoutPrototype({
  StandAlone: 'stand-alone',
  Disconnecting: 'leaving',
  Unconnected: 'away',
  Timeout: 'away',
  BrokenPipe: 'away',
  NetworkFailure: 'away',
  ProtocolError: 'away',
  TearDown: 'away',
  Connecting: 'away',
  Connected: 'connected',
} as const)

/** The words of `__repl_state_names` in drbd_strings.c. `side` is what this host is in the copy. */
export const REPLICATION_WORDS = withoutPrototype({
  Off: { kind: 'off' },
  Established: { kind: 'steady' },
  VerifyS: { kind: 'verify' },
  VerifyT: { kind: 'verify' },
  StartingSyncS: { kind: 'starting', side: 'source' },
  StartingSyncT: { kind: 'starting', side: 'target' },
  WFBitMapS: { kind: 'starting', side: 'source' },
  WFBitMapT: { kind: 'starting', side: 'target' },
  WFSyncUUID: { kind: 'starting', side: 'target' },
  SyncSource: { kind: 'copying', side: 'source' },
  SyncTarget: { kind: 'copying', side: 'target' },
  PausedSyncS: { kind: 'halted', side: 'source' },
  PausedSyncT: { kind: 'halted', side: 'target' },
  Ahead: { kind: 'behind', side: 'source' },
  Behind: { kind: 'behind', side: 'target' },
} as const)

/**
 * The words of `__disk_state_names` in drbd_strings.c: `good` carries current data, `passing` is on its way to another
 * word by itself, `old` carries data that is or may be outdated, `gone` carries none.
 */
export const DISK_WORDS = withoutPrototype({
  Diskless: 'gone',
  Attaching: 'passing',
  Detaching: 'gone',
  Failed: 'gone',
  Negotiating: 'passing',
  Inconsistent: 'old',
  Outdated: 'old',
  DUnknown: 'unseen',
  Consistent: 'old',
  UpToDate: 'good',
} as const)

/** What `word` means in one of the tables above; `null`: a word that no DRBD known to this program says. */
export function wordMeaning<Meaning>(table: Readonly<Record<string, Meaning>>, word: string): Meaning | null {
  return table[word] ?? null
}

/** Words that only JavaScript knows (`constructor`) are then found in no table, at the price of a single look. */
function withoutPrototype<Table extends object>(table: Table): Table {
  return Object.assign(Object.create(null), table)
}

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
  /** What the I/O of the resource is suspended by: nothing, or some of user, no-data, fencing, quorum; `null` when not said. */
  readonly ioSuspended: readonly string[] | null
  /** An operator has told the kernel to answer all I/O of the resource with errors. */
  readonly forcesIoFailures: boolean | null
  readonly sizeBytes: number | null
  /** On 8.4, while it shows no peer (StandAlone): what has changed here since, as /proc/drbd tells it. */
  readonly aloneOutOfSyncBytes: number | null
  readonly peers: readonly DrbdPeer[]
  /** Why what is said here must not be trusted; any entry makes the mirror `unknown`. */
  readonly doubts: readonly DrbdDoubt[]
  /** The kernel called its split-brain helper for this peer since it was last connected. */
  readonly splitBrainPeers: readonly string[]
  /** Peers with data that were there and are gone from the kernel, which no full look has confirmed since. */
  readonly removedPeers: readonly string[]
  /** False: the kernel has the minor and nothing configured on it (/proc/drbd's `cs:Unconfigured`). */
  readonly configured: boolean
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
  /** Its node id in digits; absent where the source does not show it. */
  readonly nodeId?: string
  readonly connection: string | null
  readonly replication: string | null
  readonly peerDisk: string | null
  readonly intentionalClient: boolean | null
  /** The parts of `resync-suspended`: none, or of user, peer, dependency, max-parallel, …; `null` when not said. */
  readonly resyncSuspended: readonly string[] | null
  readonly outOfSyncBytes: number | null
  /**
   * Received from this peer and sent to it since the connection was made, resync and replicated writes together: the kernel
   * keeps one pair of counters for both.
   */
  readonly movedBytes: number | null
  /** 0..1 of the running resync or verify, where the tool's figure really means that. */
  readonly progress: number | null
  /** What the running resync or verify has to go through, where it was said. */
  readonly totalBytes: number | null
  readonly etaSeconds: number | null
  /** What the pair went through between two readings and its words need not show any more; `null`: nothing. */
  readonly passed: PassedThrough | null
}

/**
 * What happened between this host and one peer since the volume was last read. A resync of a few KiB begins and ends between
 * two readings; without this record it would never have been.
 */
export interface PassedThrough {
  /** A word of a resync was shown: one ran, or was about to. */
  readonly resync: boolean
  /** Data was copied to this disk of the pair, or it was Inconsistent, and the pair has not been well since. */
  readonly repair: 'none' | 'here' | 'there'
  /** Such a repair ended, with both disks up to date: the largest amount that was out of sync during it. `null`: none ended. */
  readonly repairedBytes: number | null
  /** A verify ended: what was marked out of sync then. `null`: none ended. */
  readonly verifiedBytes: number | null
  /** The largest amount that was out of sync, without that of a repair that ended. */
  readonly outOfSyncBytes: number
}
