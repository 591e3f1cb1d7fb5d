/**
 * The states of `__conn_state_names` in drbd_strings.c (DRBD 9); the parser maps other names of 8.4's /proc/drbd. `away` comes back by
 * itself, `leaving` ends in StandAlone.
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

/** The states of `__repl_state_names` in drbd_strings.c. `side` is this host's side of the copy. */
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
 * The states of `__disk_state_names` in drbd_strings.c: `good` has current data, `passing` changes to another state by itself, `old` has
 * data that is or may be outdated, `gone` has none.
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

/** The meaning of a state in one of the tables above; `null`: unknown to this program. */
export function wordMeaning<Meaning>(table: Readonly<Record<string, Meaning>>, word: string): Meaning | null {
  return table[word] ?? null
}

/** Without a prototype names such as `constructor` are in no table, and a lookup costs one step. */
function withoutPrototype<Table extends object>(table: Table): Table {
  return Object.assign(Object.create(null), table)
}

/**
 * One DRBD volume as this host sees it: the kernel's own values, merged from everything that was read. judgeDrbdVolume judges them.
 * `null`: not shown.
 */
export interface DrbdVolume {
  /** `resource/volume`; `drbdN` (the minor) if the source has no resource names (/proc/drbd). */
  readonly mirror: string
  /** DRBD's version family: they differ in the meaning of a missing peer. `null`: not known. */
  readonly family: '8.4' | '9' | null
  /** State of the local disk (`UpToDate`, `Diskless`, …). */
  readonly disk: string | null
  /** This host is an intentional diskless client (9: `client:yes`). */
  readonly intentionalClient: boolean | null
  readonly quorum: boolean | null
  /** What suspends the I/O of the resource: nothing, or some of user, no-data, fencing, quorum; `null`: not shown. */
  readonly ioSuspended: readonly string[] | null
  /** An operator has made the kernel answer all I/O of the resource with errors. */
  readonly forcesIoFailures: boolean | null
  readonly sizeBytes: number | null
  /** On 8.4, while it shows no peer (StandAlone): what has changed here since then, by /proc/drbd. */
  readonly aloneOutOfSyncBytes: number | null
  readonly peers: readonly DrbdPeer[]
  /** Why these values must not be trusted; any entry makes the mirror `unknown`. */
  readonly doubts: readonly DrbdDoubt[]
  /** The kernel called its split-brain helper for this peer since it was last connected. */
  readonly splitBrainPeers: readonly string[]
  /** Peers with data that vanished from the kernel; no full reading has confirmed that yet. */
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

/** One peer of a volume: the values of connection and peer device together. */
export interface DrbdPeer {
  /** Name of the connection (on 9 the peer's host name, on 8.4 always `peer`); its node id in digits if it has no name. */
  readonly peer: string
  /** Node id in digits; absent: not shown. */
  readonly nodeId?: string
  readonly connection: string | null
  readonly replication: string | null
  readonly peerDisk: string | null
  readonly intentionalClient: boolean | null
  /** The parts of `resync-suspended`: none, or of user, peer, dependency, max-parallel, …; `null`: not shown. */
  readonly resyncSuspended: readonly string[] | null
  readonly outOfSyncBytes: number | null
  /**
   * Received from this peer and sent to it since the connection was made, resync and replicated writes together: the kernel
   * keeps one pair of counters for both.
   */
  readonly movedBytes: number | null
  /** 0..1 of the running resync or verify, if the tool's figure really means that. */
  readonly progress: number | null
  /** Size of the running resync or verify, if it was shown. */
  readonly totalBytes: number | null
  readonly etaSeconds: number | null
  /** What the pair passed through between two readings and may no longer show; `null`: nothing. */
  readonly passed: PassedThrough | null
}

/**
 * What happened between this host and one peer since the volume was last read. A resync of a few KiB begins and ends between two readings;
 * this record reports it.
 */
export interface PassedThrough {
  /** A resync ran, or was about to. */
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
