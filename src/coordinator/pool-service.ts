import { readFileSync } from 'node:fs'
import { GateMetrics } from '../metrics/gate-metrics.ts'
import type { MetricsServer } from '../metrics/metrics-server.ts'
import { ProcessMetrics } from '../metrics/process-metrics.ts'
import { serveMetrics } from '../metrics/serve-metrics.ts'
import { stackOf } from '../platform/errors.ts'
import type { Log } from '../platform/systemd/log.ts'
import { machineClock } from '../platform/time/clock.ts'
import type { DecisionEvent } from '../updater/decision-events.ts'
import type { DecisionLog } from '../updater/decision-log.ts'
import { describeEvent } from '../updater/describe-event.ts'
import { AgentPolls } from './agent-polls.ts'
import { applyMembers, names } from './configured-members.ts'
import { type CoordinatorLog, coordinatorLog, openDecisionLog } from './coordinator-log.ts'
import { GatedPool, type GateSettings } from './gated-pool.ts'
import { answerPlugin } from './pool-plugins.ts'
import { policyOf, type UpdaterConfig } from './updater-config.ts'
import { describeFailedLogins, Users } from './users.ts'

/** An order to a host that sends no heartbeat expires after this, or earlier if the host counts as dead earlier. */
const MAX_ORDER_LIFE_MS = 60_000

/**
 * The coordinator's daemon: an embedded pool that serves XenAPI, its updater, and the connections to the agents of the hosts.
 *
 * Invariant: the hosts and SRs of the configuration are in the pool's database, except those that a XenAPI call has removed. Other
 * records were added through XenAPI or by an earlier configuration, and stay.
 */
export class PoolService {
  readonly #machineLog: Log
  readonly #log: CoordinatorLog
  readonly #version: string
  readonly #gated: GatedPool
  readonly #metrics: GateMetrics
  #config: UpdaterConfig
  #users: Users
  #decisions: DecisionLog | null
  #metricsServer: MetricsServer | null = null

  /** @throws Error when a file of the configuration cannot be used, or the address is in use */
  static async start(config: UpdaterConfig, log: Log, version: string): Promise<PoolService> {
    const service = new PoolService(config, log, version)
    try {
      await service.#listen()
      service.#gated.start()
      await service.#serveMetrics()
      return service
    } catch (error) {
      await service.close()
      throw error
    }
  }

  private constructor(config: UpdaterConfig, machineLog: Log, version: string) {
    const log = coordinatorLog(machineLog)
    const polls = new AgentPolls(log)
    this.#machineLog = machineLog
    this.#log = log
    this.#version = version
    this.#config = config
    this.#users = new Users(config)
    this.#decisions = openDecisionLog(config, knownWithinMs(config), machineClock, log)
    const gated = new GatedPool({
      clock: machineClock,
      settings: settingsOf(config),
      // A host receives its order in the answer to its heartbeat.
      machines: { goDown: () => undefined },
      orderLifeMs: Math.min(config.assumeDeadAfterSeconds * 1000, MAX_ORDER_LIFE_MS),
      heartbeat: { assumeDeadAfterMs: config.assumeDeadAfterSeconds * 1000 },
      ...(config.stateFile === undefined ? {} : { stateFile: config.stateFile }),
      isConfigured: member => names(this.#config, member),
      authenticate: (user, password) => this.#users.authenticate(user, password),
      plugins: (call, gate) => answerPlugin(call, gate, host => this.#agentOf(host)),
      pollReport: (target, signal) => polls.report(target, this.#agentOf(target.hostUuid), signal),
      onFailedLogins: failed => log('login-failed', describeFailedLogins(failed)),
      onStateProblem: problem => log('state-not-written', problem.message),
      onBug: bug => log('bug', stackOf(bug)),
    })
    const metrics = new GateMetrics({
      snapshot: () => {
        const { atMs, pool, policy, hosts } = gated.verdicts()
        return { atMs, pool, policy, verdicts: hosts }
      },
    })
    gated.subscribe({
      decided: event => this.#record(event),
      refused: ({ method, error }) => metrics.refused(method, error[0]),
      recomputed: durationMs => metrics.recomputed(durationMs),
      polled: outcome => metrics.polled(outcome),
      effectFailed: error => log('bug', stackOf(error)),
    })
    this.#gated = gated
    this.#metrics = metrics
    applyMembers(gated.pool, config, null, log)
  }

  /** @throws Error naming the file that cannot be read; the configuration in force then stays */
  async reload(config: UpdaterConfig): Promise<void> {
    const before = this.#config
    const differs = (key: keyof UpdaterConfig) => JSON.stringify(before[key]) !== JSON.stringify(config[key])
    for (const key of ['listen', 'stateFile', 'assumeDeadAfterSeconds'] as const) {
      if (differs(key)) this.#log('needs-restart', `the new value of ${key} takes effect only after a restart`)
    }
    const users = new Users(config)
    const changed = this.#users.changedIn(users)
    this.#users = users
    this.#config = config
    this.#gated.pool.endSessionsOf(changed)
    applyMembers(this.#gated.pool, config, before, this.#log)
    if (differs('decisionLog')) {
      const closing = this.#decisions
      // Opened before the other one is closed: events that happen meanwhile must be recorded.
      this.#decisions = openDecisionLog(config, knownWithinMs(config), machineClock, this.#log)
      await closing?.close()
    }
    if (differs('metrics')) await this.#serveMetrics()
    if (differs('policy') || differs('poll')) await this.#gated.changeSettings(settingsOf(config))
  }

  async close(): Promise<void> {
    await this.#metricsServer?.close()
    await this.#gated.close()
    await this.#decisions?.close()
  }

  async #listen(): Promise<void> {
    const { host, port, tls } = this.#config.listen
    const pems =
      tls === undefined
        ? {}
        : { tls: { key: readFileSync(tls.keyFile, 'utf8'), cert: readFileSync(tls.certFile, 'utf8') } }
    const at = await this.#gated.pool.listen({ host, port, ...pems })
    this.#log('listening', `XenAPI at ${at.host} port ${at.port}`)
  }

  async #serveMetrics(): Promise<void> {
    await this.#metricsServer?.close()
    const parts = [this.#metrics, new ProcessMetrics({ version: this.#version })]
    this.#metricsServer = await serveMetrics(this.#config.metrics, parts, machineClock, this.#machineLog)
  }

  #record(event: DecisionEvent): void {
    this.#decisions?.record(event)
    // Accepted operations are in the decision log only: the log shows the change of the allowed operations that follows.
    if (event.code !== 'operation-accepted') this.#log(event.code, describeEvent(event, knownWithinMs(this.#config)))
  }

  /** The address of the agent of a host, by UUID. */
  #agentOf(host: string): string | undefined {
    return this.#config.hosts.find(({ uuid }) => uuid === host)?.agent
  }
}

function settingsOf(config: UpdaterConfig): GateSettings {
  const { everySeconds, timeoutSeconds } = config.poll
  return { policy: policyOf(config), pollEveryMs: everySeconds * 1000, pollTimeoutMs: timeoutSeconds * 1000 }
}

/** The pool knows of a change within this time: a host that cannot report it counts as dead by then. */
function knownWithinMs({ assumeDeadAfterSeconds }: UpdaterConfig): number {
  return assumeDeadAfterSeconds * 1000
}
