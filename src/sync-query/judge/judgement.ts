import type { BackendName } from '../backend-name.ts'
import type { Reason } from '../reason/reason.ts'
import type { Activity, SyncState } from '../state.ts'
import type { DrbdVolume } from './drbd.ts'
import type { Placement } from './placement.ts'

/**
 * What can be said of one mirror from one look at it, without memory. `null` is "not said"; it never means 0 or "fine".
 */
export interface Judgement {
  /**
   * `resource/volume` for DRBD (`resource/*` of one that is not up and whose volumes are not known), `drbdN` where only the
   * minor is known, the kernel name (`md0`) for md.
   */
  readonly mirror: string
  readonly backend: BackendName
  readonly state: SyncState
  readonly activity: Activity
  /** True while data is really being copied: neither paused nor waiting nor only announced. */
  readonly moving: boolean
  /** 0..1 of the activity, never 1 before its end. */
  readonly progress: number | null
  readonly doneBytes: number | null
  readonly totalBytes: number | null
  readonly outOfSyncBytes: number | null
  /**
   * What went over the connections of the resync since they were made, where the backend says so: while it rises something
   * moves, even if the amount out of sync does not fall.
   */
  readonly movedBytes?: number | null
  /** The kernel's own estimate, where it gives one. */
  readonly etaSeconds: number | null
  /** Replicas that carry data: how many there should be, how many are current as this host sees it. */
  readonly replicas: { readonly expected: number; readonly current: number }
  /** Where they are; absent where one look does not tell. */
  readonly placement?: Placement
  readonly reasons: readonly Reason[]
}

/** One look at a mirror. */
export interface Observation {
  readonly judgement: Judgement
  /** Milliseconds since 1970. */
  readonly at: number
  /**
   * The source speaks of progress by itself while data moves, so its silence means that nothing does. False for the
   * events of DRBD 8.4, which carry no progress: there only a second look that finds the same figure proves a stall.
   */
  readonly silenceMeansStall: boolean
  /** The volume that `judgement` is of, for what only a history can judge. Absent: it is of another backend. */
  readonly drbd?: DrbdVolume
  /**
   * What happened between this look and the one before may not have been seen: the source has just read everything anew, after
   * a start, or after it had lost events.
   */
  readonly followsGap?: boolean
}

/** The largest progress shown before a resync's end: kernels say 100 % early (DRBD 8.4: `sync'ed:100.0%` of `(0/0)K`). */
export const MAX_PROGRESS_BEFORE_END = 0.999

/** Clamps a kernel's progress to 0..0.999; anything that is no number is "not known". */
export function progressBeforeEnd(progress: number | null): number | null {
  if (progress === null || !Number.isFinite(progress)) return null
  return Math.min(Math.max(progress, 0), MAX_PROGRESS_BEFORE_END)
}
