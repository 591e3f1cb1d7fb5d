import type { UnwatchedAnswer } from '../agent-api/answers.ts'
import { drbdBackend } from '../drbd-adapter/drbd-backend.ts'
import type { HostState, HostStateOptions } from '../host-state/host-state.ts'
import { mdBackend } from '../mdraid-adapter/md-backend.ts'
import type { Reason } from '../sync-query/reason/reason.ts'
import type { PresentMirrors } from '../volume-plugin/probe.ts'
import { BackendFollower, type BackendFollowerOptions, type HostBackend } from './sources/backend-follower.ts'

/** The backends of a host. Only this file names them. */
export function hostBackends(options: BackendFollowerOptions): readonly HostBackend[] {
  return [
    new BackendFollower(drbdBackend, ({ drbd }) => drbd.drbdsetup, options),
    new BackendFollower(mdBackend, ({ md }) => md.mdadm, options),
  ]
}

/** Which backend cannot be judged because its replication pairs' memory cannot be read: only DRBD's pairs are remembered. */
export function memoryDoubts(marksDoubt: Reason | null): HostStateOptions['memoryDoubts'] {
  return marksDoubt === null ? {} : { drbd: marksDoubt }
}

/** The mirrors that the kernel has, as `SR.probe` proposes them: DRBD resources by name, md arrays by name and UUID. */
export function presentMirrors(state: HostState): PresentMirrors {
  const { drbd, md } = state.shown()
  return {
    drbd: [...new Set(drbd.map(([resource = '']) => resource))],
    md: md.map(([name = '', , uuid = null]) => ({ name, uuid })),
    doubts: state.doubts(),
  }
}

/** The mirrors that no SR selects, for `SR.unwatched`. */
export function unwatchedMirrors(state: HostState): Omit<UnwatchedAnswer, 'omitted'> {
  return { ...state.unwatched(), doubts: state.doubts() }
}
