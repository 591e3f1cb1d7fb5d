import type { SrStatus } from '../../src/sync-query/sr-state/sr-fold.ts'
import type { SyncState } from '../../src/sync-query/state.ts'

/** Short enough for a test. */
export const PACE = { firstRetryMs: 1, lastRetryMs: 10, progressEveryMs: 5, checkTaskEveryMs: 20, closeWithinMs: 200 }

/** The status of an SR with twelve mirrors. */
export function statusOf(state: SyncState, figures: Partial<SrStatus> = {}): SrStatus {
  const resyncing = state === 'resyncing' ? 3 : 0
  const mirrors = { unknown: 0, degraded: 0, resyncing, synced: 12 - resyncing }
  const since = Date.parse('2026-11-22T16:00:00Z')
  return { state, since, mirrors, outOfSyncBytes: null, progress: null, etaSeconds: null, reasons: [], ...figures }
}
