import type { SyncState } from '../state.ts'

/** What one mirror adds to the sums of its host and its SRs at one moment. */
export interface MirrorShare {
  readonly state: SyncState
  /** Data is really being copied. */
  readonly moving: boolean
  /** An operator's pause stands on it, of a resync or of what may come. */
  readonly heldBack: boolean
  readonly stalled: boolean
  readonly paused: boolean
  /** `NaN` where not known. */
  readonly outOfSyncBytes: number
  /** 0..1 of its resync, by the kernel's own share where that is said; it never falls within one resync. */
  readonly progress: number
  /** What its resync has to copy: how much its progress counts among others. */
  readonly weightBytes: number
}

/** Of a mirror that is well. Most are, most of the time: one object for all of them tells at once that nothing changed. */
export const SHARE_OF_A_WELL_MIRROR: MirrorShare = {
  state: 'synced',
  moving: false,
  heldBack: false,
  stalled: false,
  paused: false,
  outOfSyncBytes: 0,
  progress: Number.NaN,
  weightBytes: Number.NaN,
}
