import type { BackendName } from '../backend-name.ts'
import type { Reason } from '../reason/reason.ts'
import type { Activity, SyncState } from '../state.ts'
import type { DrbdVolume } from './drbd.ts'
import type { Placement } from './placement.ts'

/**
 * The judgement of one reading of a mirror, without history. `null` is "not known"; it never means 0 or "fine".
 */
export interface Judgement {
  /**
   * `resource/volume` for DRBD (`resource/*` if it is not up and its volumes are not known), `drbdN` if only the minor is known, the
   * kernel name (`md0`) for md.
   */
  readonly mirror: string
  readonly backend: BackendName
  readonly state: SyncState
  readonly activity: Activity
  /** Data is being copied: not paused, not waiting, not only announced. */
  readonly moving: boolean
  /** 0..1 of the activity, never 1 before its end. */
  readonly progress: number | null
  readonly doneBytes: number | null
  readonly totalBytes: number | null
  readonly outOfSyncBytes: number | null
  /**
   * Bytes over the connections of the resync since they were made, if the backend counts them: while it rises something moves, even if the
   * amount out of sync does not fall.
   */
  readonly movedBytes?: number | null
  /** The kernel's own estimate. */
  readonly etaSeconds: number | null
  /** Replicas with data: how many there should be, and how many are current by this host. */
  readonly replicas: { readonly expected: number; readonly current: number }
  /** Where they are; absent: one reading does not show it. */
  readonly placement?: Placement
  readonly reasons: readonly Reason[]
}

/** One reading of a mirror. */
export interface Observation {
  readonly judgement: Judgement
  /** Unix time in milliseconds. */
  readonly at: number
  /**
   * The source reports progress by itself while data moves, so its silence means that nothing moves. False for the events of DRBD 8.4, which
   * carry no progress: there only a second reading with the same figure proves a stall.
   */
  readonly silenceMeansStall: boolean
  /** The volume of the judgement, for what needs a history. Absent: another backend. */
  readonly drbd?: DrbdVolume
  /**
   * There may be a gap before this reading: the source has just read everything again, after a start or after lost events.
   */
  readonly followsGap?: boolean
}

/** The largest progress before the end of a resync: kernels show 100 % early (DRBD 8.4: `sync'ed:100.0%` of `(0/0)K`). */
export const MAX_PROGRESS_BEFORE_END = 0.999

/** Clamps a kernel's progress to 0..0.999; anything that is not a number is not known. */
export function progressBeforeEnd(progress: number | null): number | null {
  if (progress === null || !Number.isFinite(progress)) return null
  return Math.min(Math.max(progress, 0), MAX_PROGRESS_BEFORE_END)
}

/**
 * Figures of histories: an unknown one is `NaN`, which makes every comparison false and every result unknown. (V8 writes a field that is
 * always a number in place; a field that may also be `null` gets a new object with each number.)
 */

export function figureOf(value: number | null): number {
  return value ?? Number.NaN
}

export function orNull(figure: number): number | null {
  return Number.isNaN(figure) ? null : figure
}

export function firstKnown(a: number, b: number): number {
  return Number.isNaN(a) ? b : a
}

export function larger(a: number, b: number): number {
  return Number.isNaN(a) || b > a ? b : a
}
