/**
 * The answer to "is it in sync?". `unknown`: the source is silent, stopped, hung, unreadable or shows an unknown value. Every state except
 * `synced` blocks.
 */
export type SyncState = 'synced' | 'resyncing' | 'degraded' | 'unknown'

/** Worst first: `unknown` > `degraded` > `resyncing` > `synced`. */
export const SYNC_STATES = ['unknown', 'degraded', 'resyncing', 'synced'] as const satisfies readonly SyncState[]

/** What the kernel does with a mirror now. `check` (md) and `verify` (DRBD) only read and compare. */
export type Activity = 'none' | 'resync' | 'recovery' | 'reshape' | 'repair' | 'check' | 'verify'

/** Number of mirrors in each state. */
export type StateCounts = Record<SyncState, number>

/** The worst state with at least one mirror. Without mirrors it is `synced`: there is nothing to lose. */
export function worstState(counts: Readonly<StateCounts>): SyncState {
  return SYNC_STATES.find(state => counts[state] > 0) ?? 'synced'
}
