/**
 * The four answers to "is it in sync?". `unknown` is an answer of its own: the source is silent, stopped, hung,
 * unreadable or says a word that this program does not know. It blocks like any other answer but `synced`.
 */
export type SyncState = 'synced' | 'resyncing' | 'degraded' | 'unknown'

/** Worst first: `unknown` > `degraded` > `resyncing` > `synced`. */
export const SYNC_STATES = ['unknown', 'degraded', 'resyncing', 'synced'] as const satisfies readonly SyncState[]

/** What the kernel does with a mirror right now. `check` (md) and `verify` (DRBD) read and compare: they are no resync. */
export type Activity = 'none' | 'resync' | 'recovery' | 'reshape' | 'repair' | 'check' | 'verify'

/** How many mirrors are in each state. */
export type StateCounts = Record<SyncState, number>

/** The worst state that at least one mirror is in. No mirrors at all is `synced`: there is nothing that could be lost. */
export function worstState(counts: Readonly<StateCounts>): SyncState {
  return SYNC_STATES.find(state => counts[state] > 0) ?? 'synced'
}
