import { HostMonitor, type HostMonitorOptions } from '../src/agent/host-monitor.ts'
import { MirrorMemory } from '../src/agent/mirror-memory.ts'
import { BackendReadings } from '../src/agent/sources/backend-readings.ts'
import { drbdBackend } from '../src/drbd-adapter/drbd-backend.ts'
import { HostState } from '../src/host-state/host-state.ts'
import { machineClock } from '../src/platform/time/clock.ts'
import { MarksMemory } from '../src/sync-query/history/marks/marks-memory.ts'

export const BOOT = { id: 'b0b0b0b0-0000-4000-8000-000000000001', firstSeq: 0 }

interface MeasuredAgent extends Partial<Pick<HostMonitorOptions, 'clock' | 'sink'>> {
  /** The UUID of the host. */
  readonly host: string
  /** The UUIDs of the SRs. Each has all mirrors of the simulated drbdsetup. */
  readonly srs: readonly string[]
}

/** An agent that watches DRBD only, with an empty configuration and without files. By default it discards its reports. */
export function measuredAgent({
  host,
  srs,
  clock = machineClock,
  sink = { push: async () => undefined },
}: MeasuredAgent): HostMonitor {
  const readings = new BackendReadings(drbdBackend)
  readings.configured = { volumes: [], problems: [], doubt: null }
  const agent = new HostMonitor({
    state: new HostState({
      host,
      hostname: 'hostA',
      boot: BOOT,
      marks: new MarksMemory([]),
      memoryDoubts: {},
      silentAfterMs: null,
    }),
    clock,
    readings: [readings],
    memory: new MirrorMemory(null, () => undefined),
    sink,
    onTransition: () => undefined,
  })
  agent.select(srs.map(uuid => ({ uuid, drbd: ['xcp-volume-*'], md: [], ignorePeers: [] })))
  return agent
}
