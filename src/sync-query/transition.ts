import type { SyncState } from './state.ts'

/** A transition of the state of one mirror or SR. */
export type TransitionKind =
  | 'resync-started'
  | 'resync-finished'
  | 'degraded'
  | 'recovered'
  | 'unknown'
  | 'stalled'
  | 'paused'

export interface Transition {
  /** Unix time in milliseconds. */
  readonly at: number
  readonly kind: TransitionKind
  /** `null`: the first reading. */
  readonly from: SyncState | null
  readonly to: SyncState
}

/**
 * The transition between two states. A first reading in sync is none. A resync that does not end in `synced` has not finished: it shows as
 * `degraded` or `unknown`.
 *
 * @param resynced a resync has begun since this was last in sync: then the return to sync is its end, even if this host
 *   saw its end as `degraded` (the peer continued with another source) or not at all (`unknown`)
 */
export function transitionKind(from: SyncState | null, to: SyncState, resynced: boolean): TransitionKind | null {
  if (from === to) return null
  switch (to) {
    case 'unknown':
    case 'degraded':
      return to
    case 'resyncing':
      return 'resync-started'
    case 'synced':
      if (from === null) return null
      return resynced ? 'resync-finished' : 'recovered'
  }
}
