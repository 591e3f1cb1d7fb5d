import type { HostState } from '../host-state/host-state.ts'
import { AgentMetrics } from '../metrics/agent-metrics.ts'
import type { MetricsServer } from '../metrics/metrics-server.ts'
import { ProcessMetrics } from '../metrics/process-metrics.ts'
import { serveMetrics } from '../metrics/serve-metrics.ts'
import type { Log } from '../platform/systemd/log.ts'
import type { Clock } from '../platform/time/clock.ts'
import type { AgentConfig } from './agent-config.ts'

export interface MetricsEndpointOptions {
  readonly state: HostState
  readonly clock: Clock
  readonly log: Log
  /** Of this program. */
  readonly version: string
}

/** The agent's metrics, and the address where they are served. */
export class MetricsEndpoint {
  readonly metrics: AgentMetrics
  readonly #options: MetricsEndpointOptions
  #maxMirrors = 0
  #server: MetricsServer | null = null

  constructor(options: MetricsEndpointOptions) {
    const { state, clock } = options
    this.#options = options
    this.metrics = new AgentMetrics({
      snapshot: () => ({
        srs: statuses(state, clock.now()),
        notSynced: state.notSynced(),
        unwatched: state.unwatched(),
        maxMirrors: this.#maxMirrors,
      }),
    })
  }

  /** Serves at this address, in place of the previous one. A failure is logged: it must not stop the agent. */
  async serve(config: AgentConfig['metrics']): Promise<void> {
    const { clock, log, version } = this.#options
    this.#maxMirrors = config.maxMirrors
    await this.#server?.close()
    this.#server = await serveMetrics(config, [this.metrics, new ProcessMetrics({ version })], clock, log)
  }

  async close(): Promise<void> {
    await this.#server?.close()
  }
}

function statuses(state: HostState, now: number) {
  return new Map(
    state.srs().flatMap(sr => {
      const status = state.status(sr, now)
      return status === null ? [] : [[sr, status] as const]
    }),
  )
}
