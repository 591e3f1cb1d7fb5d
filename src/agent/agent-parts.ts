import { join } from 'node:path'
import { newPollSecret } from '../agent-api/poll-proof.ts'
import { SyncEvents } from '../agent-api/sync-events.ts'
import type { SrTransition } from '../host-state/host-changes.ts'
import { HostState } from '../host-state/host-state.ts'
import { stackOf } from '../platform/errors.ts'
import { ProcessPool } from '../platform/file-reader/process-pool.ts'
import type { Log } from '../platform/systemd/log.ts'
import type { Clock } from '../platform/time/clock.ts'
import { reason } from '../sync-query/reason/reason.ts'
import type { AgentConfig } from './agent-config.ts'
import { type AgentLog, agentLog } from './agent-log.ts'
import { hostBackends, memoryDoubts } from './backends.ts'
import { readHostBoot, readHostname } from './host-boot.ts'
import { HostMonitor } from './host-monitor.ts'
import { MarksFile } from './marks-file.ts'
import { MetricsEndpoint } from './metrics-endpoint.ts'
import { MirrorMemory } from './mirror-memory.ts'
import { PoolQuestions } from './pool/pool-questions.ts'
import { PoolStates } from './pool/pool-states.ts'
import { ToolstackLink } from './pool/toolstack-link.ts'
import { SelectedSrs } from './selected-srs.ts'
import type { HostBackend } from './sources/backend-follower.ts'

export interface AgentServiceOptions {
  readonly config: AgentConfig
  readonly clock: Clock
  readonly log: Log
  /** Of this program. */
  readonly version: string
}

/** What an agent consists of, before it listens and follows anything. */
export interface AgentParts {
  readonly state: HostState
  readonly monitor: HostMonitor
  readonly backends: readonly HostBackend[]
  readonly pool: ProcessPool
  readonly marks: MarksFile
  readonly memory: MirrorMemory
  readonly endpoint: MetricsEndpoint
  readonly events: SyncEvents
  readonly toolstack: ToolstackLink
  readonly questions: PoolQuestions
  readonly poolStates: PoolStates
  readonly srs: SelectedSrs
  /** A new key for each start: the pool accepts only answers to polls that are proved with it. */
  readonly pollKey: string
  readonly log: AgentLog
  readonly onBug: (bug: unknown) => void
}

/** A state that was not confirmed for 15 s no longer counts. The tick that finds it may be a second late. */
const SILENT_AFTER_MS = 14_000

/**
 * Reads what the agent needs of its host, and puts its parts together: the state machine, what acts on its changes, and what feeds it.
 * Each part gets the parts that it uses when it is made.
 *
 * @throws Error when the boot id cannot be read
 */
export async function openAgentParts(options: AgentServiceOptions): Promise<AgentParts> {
  const { config, clock, version } = options
  const { root, host, stateDirectory } = config
  const log = agentLog(options.log)
  const hostname = (await readHostname(root)) ?? host
  const marks = await openMarks(config, clock, log)
  const boot = await readHostBoot(root)
  const onBug = (bug: unknown) => log('bug', stackOf(bug))
  const memory = new MirrorMemory(join(stateDirectory, 'had-mirrors'), text => log('mirror-memory', text))
  const state = new HostState({
    host,
    hostname,
    boot,
    silentAfterMs: SILENT_AFTER_MS,
    marks: marks.memory,
    memoryDoubts: memoryDoubts(
      marks.doubt === null
        ? null
        : reason('memory-unreadable', '*', { word: marks.doubt, waitsFor: marksPathOf(config) }),
    ),
  })
  const endpoint = new MetricsEndpoint({ state, clock, log: options.log, version })
  const { metrics } = endpoint
  const events = new SyncEvents()
  const pollKey = newPollSecret()
  const toolstack = new ToolstackLink({ boot, pollKey, clock, log, metrics, state })
  const questions = new PoolQuestions(host, clock, toolstack)
  const poolStates = new PoolStates({ questions, host, clock, onBug })
  const pool = new ProcessPool(clock)
  const backends = hostBackends({ metrics, clock, log, pool })
  const readings = backends.map(backend => backend.readings)
  const onTransition = (changed: SrTransition) => {
    const { sr, transition, status } = changed
    const text = `SR ${sr}: ${transition.from ?? 'no state'} → ${transition.to}`
    log(transition.kind, text)
    metrics.transition(sr, transition, status)
    events.transition(sr, transition, status)
    toolstack.note(changed)
    poolStates.hurry()
  }
  const monitor = new HostMonitor({ state, clock, readings, memory, sink: toolstack, onTransition })
  const srs = new SelectedSrs({ monitor, backends, events, toolstack })
  return {
    state,
    monitor,
    backends,
    pool,
    marks,
    memory,
    endpoint,
    events,
    toolstack,
    questions,
    poolStates,
    srs,
    pollKey,
    log,
    onBug,
  }
}

/** Reads the memory of replication pairs. If the file cannot be read, that is logged and the SRs concerned stay unknown. */
async function openMarks(config: AgentConfig, clock: Clock, log: AgentLog): Promise<MarksFile> {
  const path = marksPathOf(config)
  const onProblem = (text: string) => log('marks-file', text)
  const marks = await MarksFile.open({ path, clock, onProblem })
  if (marks.doubt !== null) onProblem(`${path} cannot be read: ${marks.doubt}`)
  return marks
}

function marksPathOf({ stateDirectory }: AgentConfig): string {
  return join(stateDirectory, 'owed-marks.json')
}
