import type { SyncAnswers } from '../agent-api/agent-methods.ts'
import { mirrorsAnswer, unwatchedAnswer } from '../agent-api/mirrors-answer.ts'
import type { HostState } from '../host-state/host-state.ts'
import { unwatchedMirrors } from './backends.ts'
import type { HostMonitor } from './host-monitor.ts'

/** The answers of the agent's socket about this host. */
export function hostAnswers(state: HostState, monitor: HostMonitor): SyncAnswers {
  return {
    srs: () => monitor.srs(),
    report: sr => monitor.report(sr),
    unwatched: () => unwatchedAnswer(unwatchedMirrors(state)),
    mirrors: sr => {
      const counts = monitor.status(sr)?.mirrors
      const mirrors = monitor.mirrors(sr)
      return counts === undefined || mirrors === null ? null : mirrorsAnswer(counts, mirrors)
    },
  }
}
