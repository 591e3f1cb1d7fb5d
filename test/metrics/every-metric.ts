import { decide } from '../../src/allowed-operations/decide.ts'
import { DEFAULT_POLICY } from '../../src/allowed-operations/pool/gate-policy.ts'
import { AgentMetrics } from '../../src/metrics/agent-metrics.ts'
import { GateMetrics } from '../../src/metrics/gate-metrics.ts'
import { ProcessMetrics } from '../../src/metrics/process-metrics.ts'
import type { SrStatus } from '../../src/sync-query/sr-state/sr-fold.ts'
import { NOW, pool, RESYNCING, received, withReports } from '../allowed-operations/pool-of-three.ts'

export const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const STATUS: SrStatus = {
  state: 'resyncing',
  since: NOW,
  mirrors: { unknown: 0, degraded: 0, resyncing: 1, synced: 2 },
  outOfSyncBytes: 4096,
  progress: 0.5,
  etaSeconds: 60,
  reasons: [{ code: 'resync-running', mirror: 'a "quoted" \\ name/0', clearedBy: 'time' }],
}

/** Every metric of both daemons, with values. */
export function everything() {
  const mirror = 'a "quoted" \\ name/0'
  const judgement = {
    mirror,
    backend: 'drbd',
    state: 'resyncing',
    activity: 'resync',
    moving: true,
    progress: 0.5,
    doneBytes: 4096,
    totalBytes: 8192,
    outOfSyncBytes: 4096,
    etaSeconds: 60,
    replicas: { expected: 2, current: 1 },
    reasons: STATUS.reasons,
  } as const
  const shown = { mirror, state: 'resyncing', stalled: true, judgement } as const
  const agent = new AgentMetrics({
    snapshot: () => ({
      srs: new Map([[SR, STATUS]]),
      notSynced: [{ sr: SR, mirror: shown }],
      unwatched: { drbd: ['scratch'], md: ['md9'] },
    }),
  })
  const problems = [{ device: null, code: 'bad-line', text: '' } as const]
  const read = { at: NOW, changed: [], removed: [], doubt: null, wholeAt: NOW }
  agent.source('drbd', { ...read, problems, dumps: 1, eventAt: NOW - 3 })
  agent.pushArrived(SR, NOW)
  const labelled = pool({ srs: [{ ref: 'sr', uuid: 'uuid-sr', nameLabel: 'mirrored', clustered: true }] })
  const snapshot = withReports(labelled, received('b', RESYNCING))
  const verdicts = decide(snapshot, DEFAULT_POLICY, NOW)
  const gate = new GateMetrics({
    snapshot: () => ({ pool: snapshot, verdicts, policy: DEFAULT_POLICY, atMs: NOW }),
  })
  return [new ProcessMetrics({ version: '1.2.3' }), agent, gate] as const
}
