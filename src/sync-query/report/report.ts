import type { Reason } from '../reason/reason.ts'
import type { StateCounts, SyncState } from '../state.ts'

/** The key of `PBD.other_config` under which a host keeps its report of an SR. */
export const REPORT_KEY = 'resync-monitor'

/** What one host says of one SR at one moment (DESIGN section 5). A level, not an edge: the last one says everything. */
export interface Report {
  readonly schema: 1
  /** UUID of the host that speaks. */
  readonly host: string
  /** UUID of the SR it speaks of. */
  readonly sr: string
  /** The kernel's boot id: a report of another boot is worth nothing. */
  readonly bootId: string
  /** Rises with every report of one boot. */
  readonly seq: number
  /** When it was made, by the host's clock: ISO 8601 with a zone. */
  readonly at: string
  readonly state: SyncState
  /** Since when the SR is in this state, by the host's clock: ISO 8601 with a zone. */
  readonly since: string
  readonly mirrors: Readonly<StateCounts>
  readonly outOfSyncBytes: number | null
  /** 0..1 */
  readonly progress: number | null
  readonly etaSeconds: number | null
  readonly reasons: readonly ReportReason[]
  /** How many reasons were cut to stay within the size limit. */
  readonly reasonsOmitted?: number
  /**
   * `seq` of the first report of this boot since the list of mirrors has been as it is now. Two reports of one boot in which it
   * is the same have the same list, whether or not it was sent along. Absent where nobody can say so.
   */
  readonly listSeq?: number
  /**
   * Where the replicas are, for the placement-aware policy. In answers to a poll only: a stored report has no room. Of an
   * `unknown` state it is worth nothing, for it tells of what was seen last.
   */
  readonly mirrorList?: readonly MirrorListEntry[]
}

/** A `Reason` as it arrives: its code may be one that this program does not know yet. */
export interface ReportReason extends Omit<Reason, 'code'> {
  readonly code: string
}

/**
 * Mirrors with the same state and the same replicas, as the reporting host sees them. Synced ones are only counted:
 * 5 000 volumes share few placements, and their names would not fit.
 */
export interface MirrorListEntry {
  readonly state: SyncState
  /** How many mirrors this entry stands for. */
  readonly count: number
  /** The names of some of them, where the state is not `synced`. */
  readonly mirrors?: readonly string[]
  /** The mirror refuses I/O without a majority of its replicas. */
  readonly quorum: boolean
  readonly replicas: readonly Replica[]
}

export interface Replica {
  /** `self` for the reporting host's own, else the peer as a reason names it. */
  readonly peer: string
  /** It has the newest data, as far as the reporting host sees. Always false where it is diskless. */
  readonly current: boolean
  /**
   * The reporting host is connected to it. Where that is not said, the replica counts for no majority that this host may
   * need. Not said of its own, which always counts.
   */
  readonly connected?: true
  /** It has no data: a client or a tiebreaker. It has a vote where those with a disk are divided equally. */
  readonly diskless?: true
  /** It is diskless and no tiebreaker either, by its configuration (`tiebreaker no`, DRBD 9.3.1): it never has a vote. */
  readonly votes?: false
}
