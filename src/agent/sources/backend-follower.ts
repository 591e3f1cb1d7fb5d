import type { AgentMetrics } from '../../metrics/agent-metrics.ts'
import type { ProcessPool } from '../../platform/file-reader/process-pool.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { Backend, ConfiguredMirrors, SourceUpdate } from '../../sync-query/backend.ts'
import type { BackendName } from '../../sync-query/backend-name.ts'
import type { AgentConfig } from '../agent-config.ts'
import type { AgentLog } from '../agent-log.ts'
import type { HostMonitor } from '../host-monitor.ts'
import { type AnyReadings, BackendReadings } from './backend-readings.ts'
import { Followers } from './followers.ts'
import { SourceLog } from './source-log.ts'

export type BackendConfig = Pick<AgentConfig, 'root' | BackendName>

export interface BackendFollowerOptions {
  readonly metrics: Pick<AgentMetrics, 'source' | 'misread' | 'sourceLost'>
  readonly clock: Clock
  readonly log: AgentLog
  /** The processes that read files. */
  readonly pool: ProcessPool
}

/** One backend of this host, whichever it is. */
export interface HostBackend {
  readonly readings: AnyReadings
  readonly hasPeers: boolean
  /** The key of its own options in the configuration. */
  readonly name: BackendName
  /** Follows the kernel and the configuration until `close`, in place of what it followed before. */
  follow(config: BackendConfig, monitor: HostMonitor): void
  /** Reads everything anew. Nothing is known of the backend until that is done. */
  restart(): void
  /** Call it about once a second. */
  tick(): void
  close(): Promise<void>
}

/** Of very many problems only the first are logged. */
const MAX_LOGGED = 20

/**
 * Follows one backend: its kernel source and its configuration, each restarted whenever it fails. What they report goes to the
 * monitor, to the metrics and to the log.
 */
export class BackendFollower<Mirror, Configured extends ConfiguredMirrors> implements HostBackend {
  readonly #backend: Backend<Mirror, Configured>
  readonly #commandIn: (config: BackendConfig) => readonly string[]
  readonly #options: BackendFollowerOptions
  readonly #followers: Followers
  readonly #log: SourceLog
  readonly readings: BackendReadings<Mirror, Configured>
  #followed: { readonly config: BackendConfig; readonly monitor: HostMonitor } | null = null

  /** @param commandIn the backend's tool in a configuration */
  constructor(
    backend: Backend<Mirror, Configured>,
    commandIn: (config: BackendConfig) => readonly string[],
    options: BackendFollowerOptions,
  ) {
    this.#backend = backend
    this.#commandIn = commandIn
    this.#options = options
    this.#followers = new Followers(options.clock)
    this.#log = new SourceLog(backend.name, options.log)
    this.readings = new BackendReadings(backend)
  }

  get name(): BackendName {
    return this.#backend.name
  }

  get hasPeers(): boolean {
    return this.#backend.hasPeers
  }

  follow(config: BackendConfig, monitor: HostMonitor): void {
    if (this.#followed !== null) this.#lose(monitor, 'it is restarted with another configuration')
    this.#followed = { config, monitor }
    this.#followKernel(config, monitor)
    this.#followConfiguration(config, monitor)
  }

  restart(): void {
    if (this.#followed !== null) this.follow(this.#followed.config, this.#followed.monitor)
  }

  tick(): void {
    this.#log.tick(this.#options.clock.now())
  }

  close(): Promise<void> {
    return this.#followers.close()
  }

  #followKernel(config: BackendConfig, monitor: HostMonitor): void {
    const { root } = config
    const { clock, pool } = this.#options
    const command = this.#commandIn(config)
    this.#followers.follow({
      name: 'kernel',
      source: signal => {
        this.readings.source = this.#backend.follow({ root, command, clock, pool, signal })
        return this.readings.source
      },
      take: update => this.#take(update, monitor),
      failed: why => {
        this.#logFailure(this.#backend.name, why)
        this.#lose(monitor, `its source failed: ${why}`)
      },
    })
  }

  #take(update: SourceUpdate<Mirror>, monitor: HostMonitor): void {
    monitor.apply(this.#backend, update)
    this.#options.metrics.source(this.#backend.name, update)
    this.#log.note(update)
  }

  /** Logs each problem of the configuration once, and again if it was absent in between. */
  #followConfiguration({ root }: BackendConfig, monitor: HostMonitor): void {
    const { name } = this.#backend
    const { clock, log, metrics, pool } = this.#options
    let known: ReadonlySet<string> = new Set()
    this.#followers.follow({
      name: 'configuration',
      source: signal => this.#backend.configured({ root, clock, pool, signal }),
      take: configured => {
        const problems = configured.problems.filter(({ text }) => !known.has(text))
        known = new Set(configured.problems.map(({ text }) => text))
        metrics.misread(name, problems)
        for (const { text } of problems.slice(0, MAX_LOGGED)) {
          log('configuration-misread', `${name}: ${text}`)
        }
        this.readings.configured = configured
        monitor.configurationRead()
      },
      failed: why => this.#logFailure(`${name} configuration`, why),
    })
  }

  #lose(monitor: HostMonitor, why: string): void {
    monitor.loseSource(this.#backend.name, why)
    this.#options.metrics.sourceLost(this.#backend.name)
  }

  #logFailure(name: string, why: string): void {
    this.#options.log('source-failed', `${name}: ${why}`)
  }
}
