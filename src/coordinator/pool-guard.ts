import { hostname } from 'node:os'
import { hostName } from '../allowed-operations/reason/describe-gate.ts'
import { GateMetrics } from '../metrics/gate-metrics.ts'
import type { MetricsServer } from '../metrics/metrics-server.ts'
import { ProcessMetrics } from '../metrics/process-metrics.ts'
import { serveMetrics } from '../metrics/serve-metrics.ts'
import { messageOf, stackOf } from '../platform/errors.ts'
import type { Log } from '../platform/systemd/log.ts'
import { type Clock, sleep } from '../platform/time/clock.ts'
import { SerialQueue } from '../platform/time/serial-queue.ts'
import { StockPoolPort } from '../stock-pool/stock-pool-port.ts'
import type { DecisionLog } from '../updater/decision-log.ts'
import { describeEvent } from '../updater/describe-event.ts'
import { Updater } from '../updater/updater.ts'
import type { XenApiClient } from '../xenapi-client/client.ts'
import { type CoordinatorLog, coordinatorLog, openDecisionLog } from './coordinator-log.ts'
import { describeGuardEvent } from './describe-guard-event.ts'
import { guardClient } from './guard-client.ts'
import type { GuardConfig } from './guard-config.ts'
import { type HostRole, watchRole } from './host-role.ts'
import { policyOf } from './updater-config.ts'

interface PoolGuardOptions {
  readonly config: GuardConfig
  readonly clock: Clock
  readonly log: Log
  readonly version: string
}

/** A guard at work: what is started when this host becomes the coordinator. */
interface Guard {
  readonly client: XenApiClient
  readonly pool: StockPoolPort
  readonly updater: Updater
  /** Resolves when the pool has been read once and the guard acts. A toolstack that does not answer delays it, and nothing else. */
  readonly ready: Promise<void>
}

/** xapi counts a silent host as dead after this (host_assumed_dead_interval). */
const KNOWN_WITHIN_MS = 600_000
const EMPTY_SNAPSHOT = {
  pool: { hosts: [], srs: [], reports: [], overrides: [] },
  verdicts: new Map(),
} as const

/**
 * The guard of a pool of unmodified toolstacks: runs on every host, and acts while this host is the coordinator. Two guards at once, as
 * during a change of coordinator, are safe: both compute the same, and the one that knows less blocks.
 */
export class PoolGuard {
  readonly #options: PoolGuardOptions
  readonly #log: CoordinatorLog
  readonly #stop = new AbortController()
  readonly #metrics: GateMetrics
  #config: GuardConfig
  #guard: Guard | null = null
  /** This host is the coordinator, or may be. */
  #acts = false
  /** A change of the role and a reload do not mix. */
  readonly #changes = new SerialQueue()
  #decisions: DecisionLog | null = null
  #metricsServer: MetricsServer | null = null
  #watching: Promise<void> = Promise.resolve()

  /** Resolves when the guard is at work, or when this host is a member. @throws Error a file or an address cannot be used */
  static async start(options: PoolGuardOptions): Promise<PoolGuard> {
    const service = new PoolGuard(options)
    try {
      await service.#serve()
      await service.#begin()
      return service
    } catch (error) {
      await service.close()
      throw error
    }
  }

  private constructor(options: PoolGuardOptions) {
    this.#options = options
    this.#config = options.config
    this.#log = coordinatorLog(options.log)
    this.#metrics = new GateMetrics({
      snapshot: () => {
        const atMs = options.clock.now()
        const policy = policyOf(this.#config)
        if (this.#guard === null) return { atMs, policy, ...EMPTY_SNAPSHOT }
        const { pool, hosts } = this.#guard.updater.verdicts()
        return { atMs, pool, policy, verdicts: hosts }
      },
    })
  }

  /** Starts again with another configuration. What is blocked stays blocked meanwhile: the task is in the pool. */
  async reload(config: GuardConfig): Promise<void> {
    const before = this.#config
    if (JSON.stringify(config) === JSON.stringify(before)) return
    for (const key of ['url', 'roleFile'] as const) {
      if (config[key] !== before[key])
        this.#log('needs-restart', `the new value of ${key} takes effect only after a restart`)
    }
    await this.#changes.run(async () => {
      this.#config = { ...config, url: before.url }
      await this.#end()
      await this.#serve()
      if (this.#acts) await this.#startGuard()
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#watching
    await this.#changes.run(() => this.#end())
    await this.#metricsServer?.close()
    await this.#decisions?.close()
  }

  async #serve(): Promise<void> {
    const { clock, log, version } = this.#options
    await this.#metricsServer?.close()
    await this.#decisions?.close()
    this.#decisions = openDecisionLog(this.#config, KNOWN_WITHIN_MS, clock, this.#log)
    const parts = [this.#metrics, new ProcessMetrics({ version })]
    this.#metricsServer = await serveMetrics(this.#config.metrics, parts, clock, log)
  }

  /** Follows the role of this host. From another machine the guard always acts. */
  async #begin(): Promise<void> {
    if (this.#config.url !== undefined) await this.#changes.run(() => this.#act(true))
    else {
      const first = Promise.withResolvers<void>()
      this.#watching = this.#followRole(first.resolve, first.reject)
      await first.promise
    }
    await this.#guard?.ready
  }

  async #followRole(done: () => void, failed: (error: unknown) => void): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#stop
    for await (const role of watchRole(this.#config.roleFile, clock, signal)) {
      this.#log(role === 'unknown' ? 'guard-role-unknown' : 'guard-role', ROLE_TEXTS[role])
      try {
        // With an unknown role it acts: two guards are safe, and none is not.
        await this.#changes.run(() => this.#act(role !== 'member'))
        done()
      } catch (error) {
        failed(error)
        this.#log('bug', stackOf(error))
        await sleep(clock, 1_000, signal)
      }
    }
  }

  async #act(acts: boolean): Promise<void> {
    this.#acts = acts
    if (!acts) await this.#end()
    else if (this.#guard === null) await this.#startGuard()
  }

  async #startGuard(): Promise<void> {
    const { clock, version } = this.#options
    const client = await guardClient(this.#config, clock)
    const nameOf = (host: string) => hostName(host, pool.read().pool)
    const pool: StockPoolPort = new StockPoolPort({
      client,
      clock,
      guard: { machine: hostname(), version },
      holdReturningHosts: this.#config.holdReturningHosts,
      undoSecondReboot: this.#config.undoSecondReboot,
      onEvent: event => this.#log(event.code, describeGuardEvent(event, nameOf)),
    })
    const { everySeconds, timeoutSeconds } = this.#config.poll
    const updater = new Updater({
      pool,
      policy: policyOf(this.#config),
      clock,
      pollEveryMs: everySeconds * 1000,
      pollTimeoutMs: timeoutSeconds * 1000,
      decided: event => {
        this.#decisions?.record(event)
        if (event.code !== 'operation-accepted') this.#log(event.code, describeEvent(event, KNOWN_WITHIN_MS))
      },
      recomputed: durationMs => this.#metrics.recomputed(durationMs),
      effectFailed: error => this.#log('guard-call-failed', messageOf(error)),
    })
    const ready = pool.start().then(() => updater.start())
    this.#guard = { client, pool, updater, ready }
  }

  async #end(): Promise<void> {
    const guard = this.#guard
    this.#guard = null
    if (guard === null) return
    await guard.updater.close()
    await guard.pool.close()
    await guard.client.close()
  }
}

const ROLE_TEXTS: Readonly<Record<HostRole, string>> = {
  coordinator: 'this host is the coordinator: the guard acts',
  member: 'this host is a member: the guard of the coordinator acts',
  unknown: 'the role of this host cannot be read: the guard acts, in case that this host is the coordinator',
}
