import type { Reason } from '../reason/reason.ts'
import type { StateCounts, SyncState } from '../state.ts'

/** The key of `PBD.other_config` under which a host keeps its report of an SR. */
export const REPORT_KEY = 'resync-monitor'

/** One host's statement about one SR at one moment. It is a level: the last report is complete. */
export interface Report {
  readonly schema: 1
  /** UUID of the reporting host. */
  readonly host: string
  /** UUID of the SR. */
  readonly sr: string
  /** The kernel's boot id: a report of another boot is not valid. */
  readonly bootId: string
  /** Rises with every report of a boot. */
  readonly seq: number
  /** Time of the report by the host's clock, ISO 8601 with a zone. */
  readonly at: string
  readonly state: SyncState
  /** Start of the state by the host's clock, ISO 8601 with a zone. */
  readonly since: string
  readonly mirrors: Readonly<StateCounts>
  readonly outOfSyncBytes: number | null
  /** 0..1 */
  readonly progress: number | null
  readonly etaSeconds: number | null
  readonly reasons: readonly ReportReason[]
  /** Number of reasons that were cut to stay within the size limit. */
  readonly reasonsOmitted?: number
  /**
   * `seq` of the first report of this boot with the present list of mirrors. Two reports of one boot with the same `listSeq` have the same
   * list, whether or not it is included. Absent: not known.
   */
  readonly listSeq?: number
  /**
   * Where the replicas are, for the placement policy. Only in answers to a poll, because a stored report is too small. With state
   * `unknown` it is not valid, because it describes the last reading.
   */
  readonly mirrorList?: readonly MirrorListEntry[]
}

/** A reason of a report; its code may be of a newer version. */
export interface ReportReason extends Omit<Reason, 'code'> {
  readonly code: string
}

/**
 * Mirrors with the same state and replicas, by the reporting host. Synced ones are only counted: 5 000 volumes share few placements, and
 * their names would not fit.
 */
export interface MirrorListEntry {
  readonly state: SyncState
  /** Number of mirrors of this entry. */
  readonly count: number
  /** Names of some of them, if the state is not `synced`. */
  readonly mirrors?: readonly string[]
  /** The mirror refuses I/O without a majority of its replicas. */
  readonly quorum: boolean
  readonly replicas: readonly Replica[]
}

export interface Replica {
  /** `self`: the reporting host; otherwise the name of the peer as in reasons. */
  readonly peer: string
  /** It has the newest data, by the reporting host. Always false if it is diskless. */
  readonly current: boolean
  /**
   * The reporting host is connected to it. Without this key the replica does not count for a majority of this host. Absent on the host's
   * own replica, which always counts.
   */
  readonly connected?: true
  /** It has no data: a client or a tiebreaker. It has a vote if the replicas with a disk are divided equally. */
  readonly diskless?: true
  /** It is diskless and not a tiebreaker, by its configuration (`tiebreaker no`, DRBD 9.3.1): it never has a vote. */
  readonly votes?: false
}
