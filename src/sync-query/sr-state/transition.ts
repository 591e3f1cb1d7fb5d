import type { SyncState } from '../state.ts'

/** What happened, as edges of the state of one mirror or of one SR. */
export type TransitionKind =
  | 'resync-started'
  | 'resync-finished'
  | 'degraded'
  | 'recovered'
  | 'unknown'
  | 'stalled'
  | 'paused'

export interface Transition {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly kind: TransitionKind
  /** `null`: first seen. */
  readonly from: SyncState | null
  readonly to: SyncState
}

/**
 * The edge between two states. First seen well is no event. A resync that ends anywhere but in `synced` did not finish:
 * it shows as `degraded` or `unknown`.
 *
 * @param resynced a resync has begun since this was last in sync: then getting back in sync is its end, even if this host
 *   saw the last of it as `degraded` (the peer went on with another source) or not at all (`unknown`)
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
