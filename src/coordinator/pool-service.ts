import { hash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostName } from '../allowed-operations/reason/describe-gate.ts'
import type { FailedCall } from '../embedded-pool/dispatch/failed-call.ts'
import type { HostOrderEvent } from '../embedded-pool/hosts/order.ts'
import type { Role } from '../embedded-pool/sessions/roles.ts'
import { GateMetrics } from '../metrics/gate-metrics.ts'
import type { MetricsServer } from '../metrics/metrics-server.ts'
import { ProcessMetrics } from '../metrics/process-metrics.ts'
import { serveMetrics } from '../metrics/serve-metrics.ts'
import { stackOf } from '../platform/errors.ts'
import type { Log } from '../platform/systemd/log.ts'
import { machineClock } from '../platform/time/clock.ts'
import { describeCause } from '../updater/change-cause.ts'
import { DecisionLog } from '../updater/decision-log.ts'
import { describeOrderEvent } from '../updater/order-event.ts'
import { describeOverrideEvent, type OverrideEvent } from '../updater/override-event.ts'
import { describeRefusedCall, RefusedCalls } from '../updater/refused-calls.ts'
import type { OperationsChange } from '../updater/updater.ts'
import { policyOf, type UpdaterConfig } from '../updater/updater-config.ts'
import { AgentPolls, type PolledHost } from './agent-polls.ts'
import { applyMembers, names } from './configured-members.ts'
import type { GateStatus } from './gate-answer.ts'
import { createGatedPool, type GatedPool, type UpdaterChoice } from './gated-pool.ts'
import { pluginsOf } from './pool-plugins.ts'

/** A host that is not heard for so long gets no order that was made before. */
const MAX_ORDER_LIFE_MS = 60_000

/**
 * The coordinator's daemon: an embedded pool that serves XenAPI, its updater, and the way to the hosts' agents.
 *
 * Invariant: hosts and SRs of the configuration are in the pool's database, except those that a call of XenAPI has taken out;
 * what is there besides was put there through XenAPI or by an earlier configuration, and stays.
 */
export class PoolService {
  readonly #log: Log
  readonly #gated: GatedPool
  #config: UpdaterConfig
  #users: ReadonlyMap<string, User>
  #decisions: DecisionLog | null = null
  readonly #version: string
  readonly #metrics: GateMetrics
  readonly #refusals = new RefusedCalls({
    tell: (refused, count) => {
      const event = { ...refused, count, at: Date.now(), pool: this.#gated.pool.poolSnapshot() }
      this.#decisions?.recordRefusal(event)
      this.#log({ level: 'warning', code: 'call-refused', text: describeRefusedCall(event) })
    },
  })
  #metricsServer: MetricsServer | null = null

  /** @throws Error when a file that the configuration names cannot be used, or the address is taken */
  static async start(config: UpdaterConfig, log: Log, version: string): Promise<PoolService> {
    const service = new PoolService(config, log, version)
    try {
      const { host, port, tls } = config.listen
      const pems =
        tls === undefined
          ? {}
          : { tls: { key: readFileSync(tls.keyFile, 'utf8'), cert: readFileSync(tls.certFile, 'utf8') } }
      const at = await service.#gated.pool.listen({ host, port, ...pems })
      log({ level: 'info', code: 'listening', text: `XenAPI at ${at.host} port ${at.port}` })
      service.#gated.updater.start()
      await service.#serveMetrics()
      return service
    } catch (error) {
      await service.close()
      throw error
    }
  }

  private constructor(config: UpdaterConfig, log: Log, version: string) {
    this.#config = config
    this.#version = version
    this.#log = log
    this.#users = usersOf(config)
    this.#openDecisions()
    const polls = new AgentPolls(log)
    this.#gated = createGatedPool(
      {
        // A host gets its order with the answer to its heartbeat.
        machines: { goDown: () => undefined },
        orderLifeMs: Math.min(config.assumeDeadAfterSeconds * 1000, MAX_ORDER_LIFE_MS),
        onRefused: refused => this.#tellRefused(refused),
        isConfigured: member => names(this.#config, member),
        onOrder: event => this.#tellOrder(event),
        plugins: pluginsOf({ gateView: () => this.#gateView(), agentOf: host => this.#agentOf(host) }),
        pollReport: (host, sr, signal) =>
          polls.report(this.#polledHost(host), this.#gated.pool.get('SR', sr)?.uuid ?? '', signal),
        authenticate: (user, password) => {
          const known = this.#users.get(user)
          return known !== undefined && isSameSecret(known.password, password) && known.role
        },
        heartbeat: { assumeDeadAfterMs: config.assumeDeadAfterSeconds * 1000 },
        ...(config.stateFile === undefined ? {} : { stateFile: config.stateFile }),
        onFailedLogins: failed => log({ level: 'warning', code: 'login-failed', text: failedLogins(failed) }),
        onStateProblem: problem => log({ level: 'error', code: 'state-not-written', text: problem.message }),
        onBug: bug => log({ level: 'error', code: 'bug', text: stackOf(bug) }),
      },
      this.#updaterChoice(),
    )
    this.#metrics = new GateMetrics({
      look: () => {
        const { atMs, pool, hosts } = this.#gated.updater.verdicts()
        return { atMs, pool, verdicts: hosts, policy: policyOf(this.#config) }
      },
    })
    applyMembers(this.#gated.pool, config, null, log)
  }

  /** @throws Error naming the file that cannot be read; then everything is as it was */
  async reload(config: UpdaterConfig): Promise<void> {
    const before = this.#config
    const differs = (key: keyof UpdaterConfig) => JSON.stringify(before[key]) !== JSON.stringify(config[key])
    for (const key of ['listen', 'stateFile', 'assumeDeadAfterSeconds'] as const) {
      if (differs(key))
        this.#log({ level: 'warning', code: 'needs-restart', text: `${key} is another one only after a restart` })
    }
    const users = usersOf(config)
    const changed = changedUsers(this.#users, users)
    this.#users = users
    this.#config = config
    this.#gated.pool.endSessionsOf(changed)
    applyMembers(this.#gated.pool, config, before, this.#log)
    if (differs('decisionLog')) {
      const closing = this.#decisions
      // Another before it: what happens while it closes must not go untold.
      this.#openDecisions()
      await closing?.close()
    }
    if (differs('metrics')) await this.#serveMetrics()
    if (differs('policy') || differs('poll')) await this.#gated.regate(this.#updaterChoice())
  }

  async close(): Promise<void> {
    await this.#metricsServer?.close()
    await this.#gated.close()
    this.#refusals.close()
    await this.#decisions?.close()
  }

  #updaterChoice(): UpdaterChoice {
    const { everySeconds, timeoutSeconds } = this.#config.poll
    return {
      policy: policyOf(this.#config),
      pollEveryMs: everySeconds * 1000,
      pollTimeoutMs: timeoutSeconds * 1000,
      witness: change => this.#tell(change),
      overridden: event => this.#tellOverride(event),
      accepted: claim => this.#decisions?.recordAccepted(claim, this.#config.assumeDeadAfterSeconds * 1000),
      recomputed: durationMs => this.#metrics.recomputed(durationMs),
      polled: outcome => this.#metrics.polled(outcome),
    }
  }

  async #serveMetrics(): Promise<void> {
    await this.#metricsServer?.close()
    const parts = [this.#metrics, new ProcessMetrics({ version: this.#version })]
    this.#metricsServer = await serveMetrics(this.#config.metrics, parts, machineClock, this.#log)
  }

  #tell(change: OperationsChange): void {
    this.#decisions?.record(change)
    const { host, left, returned, causes, pool } = change
    const what = [...left.map(each => `-${each}`), ...returned.map(each => `+${each}`)].join(' ')
    const name = hostName(host, pool)
    const why = causes.slice(0, 3).map(cause => describeCause(cause, pool))
    this.#log({ level: 'info', code: 'operations-changed', text: `${name}: ${what} (${why.join('; ')})` })
  }

  #tellOverride(event: OverrideEvent): void {
    this.#decisions?.recordOverride(event)
    this.#log({ level: 'warning', code: event.code, text: describeOverrideEvent(event) })
  }

  #tellRefused(refused: FailedCall): void {
    this.#metrics.refused(refused.method, refused.error[0])
    if (refused.isDecision) this.#refusals.add(refused)
  }

  #tellOrder(order: HostOrderEvent): void {
    const event = { ...order, at: Date.now(), pool: this.#gated.pool.poolSnapshot() }
    this.#decisions?.recordOrder(event)
    const level = order.code === 'order-handed-out' ? 'info' : 'warning'
    this.#log({ level, code: order.code, text: describeOrderEvent(event) })
  }

  #agentOf(host: string): string | undefined {
    const uuid = this.#gated.pool.get('host', host)?.uuid
    return this.#config.hosts.find(each => each.uuid === uuid)?.agent
  }

  #polledHost(ref: string): PolledHost {
    const { pool } = this.#gated
    const { uuid = '' } = pool.get('host', ref) ?? {}
    return {
      uuid,
      agent: this.#agentOf(ref),
      key: pool.pollKey(ref),
      // For people only: most polls have nothing to tell, and it takes a snapshot of the pool.
      get name() {
        return hostName(ref, pool.poolSnapshot())
      },
    }
  }

  #openDecisions(): void {
    const { decisionLog } = this.#config
    this.#decisions =
      decisionLog === undefined
        ? null
        : new DecisionLog({
            path: decisionLog.file,
            maxBytes: decisionLog.maxBytes,
            onError: error => this.#log({ level: 'error', code: 'decision-log', text: String(error) }),
          })
  }

  /** What the gate says at this moment, in whatever words it is asked for. */
  #gateView(): GateStatus {
    const { pool, updater } = this.#gated
    return {
      verdicts: updater.verdicts(),
      policy: policyOf(this.#config),
      coordinator: pool.get('pool', pool.ref)?.master ?? '',
      srLabel: ref => pool.get('SR', ref)?.name_label,
    }
  }
}

interface User {
  readonly password: string
  readonly role: Role
}

/** Who is no longer there, or not with the same password and role: a session from before would keep the old rights for a day. */
function changedUsers(before: ReadonlyMap<string, User>, after: ReadonlyMap<string, User>): ReadonlySet<string> {
  const isAsBefore = (name: string, { password, role }: User) =>
    after.get(name)?.password === password && after.get(name)?.role === role
  return new Set([...before].flatMap(([name, user]) => (isAsBefore(name, user) ? [] : [name])))
}

const MAX_NAME_LENGTH = 64

/** The name is a stranger's word: in JSON it cannot pass for a line of the log. */
function failedLogins({ count, user, address }: { count: number; user: string; address: string }): string {
  const name = JSON.stringify(user.slice(0, MAX_NAME_LENGTH))
  const last = `as ${name} from ${address}`
  return count === 1 ? `a login ${last} has failed` : `${count} logins have failed, the last one ${last}`
}

/** @throws Error naming the file that cannot be read */
function usersOf({ users }: UpdaterConfig): Map<string, User> {
  return new Map(
    users.map(({ name, passwordFile, role }) => {
      const password = readFileSync(passwordFile, 'utf8').replace(/\r?\n$/, '')
      if (password === '') throw new Error(`${passwordFile} is empty: ${name} would have no password`)
      return [name, { password, role }]
    }),
  )
}

/** In a time that tells nothing of where they differ. */
function isSameSecret(secret: string, given: string): boolean {
  return timingSafeEqual(hash('sha256', secret, 'buffer'), hash('sha256', given, 'buffer'))
}
