import type { Judgement } from '../../src/sync-query/judge/judgement.ts'
import { type Reason, type ReasonCode, reason, stateFromReasons } from '../../src/sync-query/reason/reason.ts'

/** A judgement of a DRBD mirror with these reasons; unknown figures are null unless `figures` has them. */
export function judgementWith(
  mirror: string,
  codes: readonly (ReasonCode | Reason)[],
  figures: Partial<Judgement> = {},
): Judgement {
  const reasons = codes.map(each => (typeof each === 'string' ? reason(each, mirror) : each))
  return {
    mirror,
    backend: 'drbd',
    state: stateFromReasons(reasons),
    activity: 'none',
    moving: codes.includes('resync-running'),
    progress: null,
    doneBytes: null,
    totalBytes: null,
    outOfSyncBytes: null,
    etaSeconds: null,
    replicas: { expected: 2, current: 1 },
    reasons,
    ...figures,
  }
}
