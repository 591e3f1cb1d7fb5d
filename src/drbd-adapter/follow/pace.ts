import type { Backoff } from '../../platform/time/backoff.ts'

/** Intervals and timeouts of the DRBD source. Milliseconds. */
export interface DrbdSourcePace extends Backoff {
  /** How long the lines of one kernel event take to arrive. Between them its state is incomplete. */
  readonly gatherMs: number
  /** The same while lines keep coming: a volume is then reported once for all lines in between. */
  readonly floodGatherMs: number
  /** Interval of checks whether the module has been loaded. */
  readonly moduleEveryMs: number
  /** Interval of checks whether the module has been unloaded. Most versions of drbdsetup end at once when it is. */
  readonly unloadedEveryMs: number
  /** Timeout of a complete dump; a drbdsetup that hangs is killed then. */
  readonly dumpTimeoutMs: number
  /** Time from SIGTERM to SIGKILL. */
  readonly killAfterMs: number
  /** Time until a process that does not end, killed or not, is abandoned. */
  readonly abandonAfterMs: number
  /** Interval of reads of /proc/drbd while data moves: DRBD 8.4 has no events for its statistics. */
  readonly progressEveryMs: number
  /** Timeout of a read of a kernel file, and delay before a read that hung is retried. */
  readonly readTimeoutMs: number
  readonly readRetryMs: number
  /** Interval of reads of the out-of-sync amounts while a peer is not connected: they grow without an event. */
  readonly awayEveryMs: number
  /** Interval of cross-checks of every mirror. With `checkTimeoutMs` it stays well below the 15 s after which a mirror is unknown. */
  readonly confirmEveryMs: number
  /** Timeout of drbdsetup in a cross-check. After that the state is unknown until drbdsetup answers. */
  readonly checkTimeoutMs: number
  /** Interval of cross-checks with statistics, which events omit: a base and an amount per mirror. */
  readonly verifyEveryMs: number
  readonly verifyEveryMsPerMirror: number
  /** Delay of a reread after a lost line, and the minimum interval of rereads: a base and an amount per mirror. */
  readonly rereadAfterMs: number
  readonly rereadGapMs: number
  readonly rereadGapMsPerMirror: number
  /** Delay before a difference is checked a second time. */
  readonly confirmAfterMs: number
}

export const DEFAULT_DRBD_PACE: DrbdSourcePace = {
  gatherMs: 4,
  floodGatherMs: 25,
  moduleEveryMs: 1_000,
  unloadedEveryMs: 5_000,
  firstRetryMs: 250,
  lastRetryMs: 10_000,
  dumpTimeoutMs: 30_000,
  killAfterMs: 2_000,
  abandonAfterMs: 7_000,
  progressEveryMs: 2_000,
  readTimeoutMs: 3_000,
  readRetryMs: 10_000,
  awayEveryMs: 30_000,
  confirmEveryMs: 5_000,
  checkTimeoutMs: 8_000,
  verifyEveryMs: 30_000,
  verifyEveryMsPerMirror: 50,
  rereadAfterMs: 100,
  rereadGapMs: 2_000,
  rereadGapMsPerMirror: 1,
  confirmAfterMs: 500,
}
