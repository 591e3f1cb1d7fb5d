import { HostMirrors } from '../../sync-query/history/host-mirrors.ts'
import { DEFAULT_PATIENCE } from '../../sync-query/history/shared-by-mirrors.ts'
import type { Judgement } from '../../sync-query/judge/judgement.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import type { Reason } from '../../sync-query/reason/reason.ts'

/** One mirror as `inspect --json` prints it. */
export interface InspectedDevice
  extends Pick<
    Judgement,
    | 'mirror'
    | 'backend'
    | 'state'
    | 'activity'
    | 'progress'
    | 'etaSeconds'
    | 'doneBytes'
    | 'totalBytes'
    | 'outOfSyncBytes'
    | 'replicas'
  > {
  readonly reasons: readonly Reason[]
}

/** The result of parsing a recording. */
export interface Findings {
  readonly devices: readonly InspectedDevice[]
  readonly problems: readonly Problem[]
  /** False: there may be devices that are not in `devices`. */
  readonly understood: boolean
  /** A part of the input may be about a device that is not in `devices`, or nothing was parsed. */
  readonly isLost: boolean
}

/** The devices of one snapshot. A resync that waits in vain and a stuck disk are reported at once, because no later snapshot can confirm them. */
export function devicesOfSnapshot(judgements: readonly Judgement[]): InspectedDevice[] {
  const mirrors = new HostMirrors({ ...DEFAULT_PATIENCE, waitingInVainAfterMs: 0, stuckAfterMs: 0 })
  for (const judgement of judgements) mirrors.observe({ judgement, at: 0, silenceMeansStall: false })
  return devicesOf(mirrors, 0)
}

/** All mirrors at the time `at`, sorted by name. */
export function devicesOf(mirrors: HostMirrors, at: number): InspectedDevice[] {
  return [...mirrors.names()].sort().flatMap(name => {
    const tracked = mirrors.get(name)
    if (tracked === null) return []
    const { judgement } = tracked
    const { mirror, backend, state, activity, progress, etaSeconds } = judgement
    const { doneBytes, totalBytes, outOfSyncBytes, replicas } = judgement
    const figures = { progress, etaSeconds, doneBytes, totalBytes, outOfSyncBytes, replicas }
    return [{ mirror, backend, state, activity, ...figures, reasons: mirrors.reasons(tracked, at) }]
  })
}
