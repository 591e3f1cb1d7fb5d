import type { CanRebootAnswer, GateAnswer, OverrideAnswer } from '../../agent-api/answers.ts'
import {
  ASKED_BY_AGENT,
  formatHosts,
  PLUGIN_NAME,
  type PoolAnswerOf,
  type PoolFunction,
  readPoolAnswer,
} from '../../agent-api/plugin-functions.ts'
import { type OverrideRequest, type PoolAnswers, PoolRefusal } from '../../agent-api/pool-methods.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { askToolstack } from './ask-toolstack.ts'
import { findHost, removeOverride, writeOverride } from './override-calls.ts'

/** XenAPI's name for "no such object": a pool without hosts has no coordinator. */
const NULL_REF = 'OpaqueRef:NULL'

/** The present session with the toolstack. */
interface ToolstackSession {
  /** `null`: no toolstack is configured. */
  readonly client: XenApiClient | null
}

/**
 * Asks the pool in the agent's own session with the toolstack: the gate through the coordinator's plugin, which an embedded pool
 * answers itself, and overrides in the pool's database.
 */
export class PoolQuestions implements PoolAnswers {
  readonly #host: string
  readonly #clock: Clock
  readonly #toolstack: ToolstackSession

  /** @param host UUID of this host */
  constructor(host: string, clock: Clock, toolstack: ToolstackSession) {
    this.#host = host
    this.#clock = clock
    this.#toolstack = toolstack
  }

  async gate(signal: AbortSignal): Promise<GateAnswer> {
    return this.#gate({}, signal)
  }

  /** The gate's answer about this host only. */
  gateOfThisHost(signal: AbortSignal): Promise<GateAnswer> {
    return this.#gate({ host: this.#host }, signal)
  }

  /** Whether this host is the pool's coordinator. */
  async isCoordinator(signal: AbortSignal): Promise<boolean> {
    const client = this.#client()
    const coordinator = await coordinatorOf(client, signal)
    return (await askToolstack(client, 'host.get_uuid', [coordinator], signal)) === this.#host
  }

  canReboot(hosts: readonly string[], signal: AbortSignal): Promise<CanRebootAnswer> {
    return this.#askPlugin('can-reboot', { hosts: formatHosts(hosts) }, signal)
  }

  async setOverride(request: OverrideRequest, signal: AbortSignal): Promise<OverrideAnswer> {
    const client = this.#client()
    const host = await findHost(client, request.host, signal)
    const { reason, by } = request
    const createdMs = this.#clock.now()
    const expiresMs = createdMs + request.expiresInSeconds * 1000
    await writeOverride(client, host.ref, { reason, by, createdMs, expiresMs }, signal)
    // Only the gate knows: by its clock the override may start later, and without a gate it is in force nowhere.
    const inForce = await this.#gate({ host: host.uuid }, signal).then(
      ({ hosts }) => hosts.find(({ uuid }) => uuid === host.uuid)?.override?.inForce === true,
      () => false,
    )
    return { reason, by, expiresAt: new Date(expiresMs).toISOString(), inForce }
  }

  async clearOverride(host: string, signal: AbortSignal): Promise<void> {
    const client = this.#client()
    await removeOverride(client, (await findHost(client, host, signal)).ref, signal)
  }

  async clearOrder(host: string, reason: string, signal: AbortSignal): Promise<void> {
    const client = this.#client()
    const { ref } = await findHost(client, host, signal)
    try {
      await askToolstack(client, 'host.clear_order', [ref, reason], signal)
    } catch (error) {
      if (!(error instanceof PoolRefusal) || error.error?.[0] !== 'MESSAGE_METHOD_UNKNOWN') throw error
      const text =
        'the pool has no host.clear_order: it is an unmodified toolstack, or its updater is an earlier version'
      throw new PoolRefusal('refused', text, error.error)
    }
  }

  #gate(args: Readonly<Record<string, string>>, signal: AbortSignal): Promise<GateAnswer> {
    return this.#askPlugin('gate', args, signal)
  }

  /** Calls a function of the coordinator's plugin. */
  async #askPlugin<Function extends PoolFunction>(
    fn: Function,
    args: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<PoolAnswerOf<Function>> {
    const client = this.#client()
    const coordinator = await coordinatorOf(client, signal)
    const ask = (host: unknown) =>
      askToolstack(client, 'host.call_plugin', [host, PLUGIN_NAME, fn, { ...args, [ASKED_BY_AGENT]: 'true' }], signal)
    const text = await ask(coordinator).catch(async (error: unknown) => {
      // An embedded pool keeps running while the host named as its coordinator is down, and any other host can answer.
      if (!(error instanceof PoolRefusal) || error.error?.[0] !== 'HOST_OFFLINE') throw error
      return ask(await askToolstack(client, 'host.get_by_uuid', [this.#host], signal))
    })
    const answer = readPoolAnswer(fn, String(text))
    if (answer !== null) return answer
    throw new PoolRefusal('refused', `this version does not understand the coordinator's answer to ${fn}`)
  }

  #client(): XenApiClient {
    const { client } = this.#toolstack
    if (client === null)
      throw new PoolRefusal('noToolstack', 'no toolstack is configured for this agent (toolstack.url)')
    return client
  }
}

/** Ref of the coordinator. */
async function coordinatorOf(client: XenApiClient, signal: AbortSignal): Promise<string> {
  const [pool] = listOf(await askToolstack(client, 'pool.get_all', [], signal))
  const coordinator = await askToolstack(client, 'pool.get_master', [pool], signal)
  if (typeof coordinator === 'string' && coordinator !== NULL_REF) return coordinator
  throw new PoolRefusal('noGate', 'the pool has no coordinator')
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
