import type { SyncState } from '../state.ts'

/** A mirror's share of the sums of its host and its SRs at one moment. */
export interface MirrorShare {
  readonly state: SyncState
  /** Data is being copied. */
  readonly moving: boolean
  /** An operator's pause is set on it, for a present or a later resync. */
  readonly heldBack: boolean
  readonly stalled: boolean
  readonly paused: boolean
  /** `NaN`: not known. */
  readonly outOfSyncBytes: number
  /** 0..1 of its resync, by the kernel's own share if that is known; it never falls within one resync. */
  readonly progress: number
  /** Bytes that its resync has to copy: the weight of its progress. */
  readonly weightBytes: number
}

/** The share of every mirror that is well. One object for all of them, so that a comparison of references finds no change. */
export const SYNCED_SHARE: MirrorShare = {
  state: 'synced',
  moving: false,
  heldBack: false,
  stalled: false,
  paused: false,
  outOfSyncBytes: 0,
  progress: Number.NaN,
  weightBytes: Number.NaN,
}
