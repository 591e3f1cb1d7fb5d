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
import { type Clock, sleep } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { askToolstack } from './ask-toolstack.ts'
import { readGuardEffect, readGuardPresence } from './guard-effect.ts'
import { findHost, removeOverride, writeOverride } from './override-calls.ts'

/** XenAPI's name for "no such object": a pool without hosts has no coordinator. */
const NULL_REF = 'OpaqueRef:NULL'

/** While a guard replaces its heartbeat, the pool has none for some milliseconds. */
const ABSENCE_GRACE_MS = 1_000

const GUARD_TEXTS = {
  never: 'nothing in this pool reads overrides: no guard acts',
  silent: 'nothing in this pool reads overrides: the heartbeat of its guard has expired (see resync-monitor doctor)',
  unclear: 'it is not known whether a guard acts in this pool (see resync-monitor doctor)',
} as const

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
    const reader = await this.#readerOfOverrides(client, host.uuid, signal)
    const { reason, by } = request
    const createdMs = this.#clock.now()
    const expiresMs = createdMs + request.expiresInSeconds * 1000
    await writeOverride(client, host.ref, { reason, by, createdMs, expiresMs }, signal)
    const answer = { reason, by, expiresAt: new Date(expiresMs).toISOString() }
    if (reader === 'guard') {
      const guard = await readGuardEffect(client, host.uuid, createdMs, signal)
      return { ...answer, inForce: guard.waitsFor.length === 0 && guard.otherOverrides.length === 0, guard }
    }
    // Only the gate knows: by its clock the override may start later.
    const inForce = await this.#gate({ host: host.uuid }, signal).then(
      ({ hosts }) => hosts.find(({ uuid }) => uuid === host.uuid)?.override?.inForce === true,
      () => false,
    )
    return { ...answer, inForce }
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

  /**
   * Who reads the override of a host: the guard of a pool of unmodified toolstacks, or a gate.
   * @throws PoolRefusal nobody does, so an override would have no effect
   */
  async #readerOfOverrides(client: XenApiClient, host: string, signal: AbortSignal): Promise<'guard' | 'gate'> {
    const [pool] = listOf(await askToolstack(client, 'pool.get_all', [], signal))
    const refs = { pool, coordinator: await coordinatorOf(client, signal) }
    let guard = await readGuardPresence(client, this.#clock, refs, signal)
    if (guard.state === 'acts') return 'guard'
    try {
      await this.#gate({ host }, signal)
      return 'gate'
    } catch (error) {
      if (!(error instanceof PoolRefusal)) throw error
      // A gate has answered, in the words of another version.
      if (error.kind === 'refused' && error.error === null) return 'gate'
      if (guard.state === 'never') {
        await sleep(this.#clock, ABSENCE_GRACE_MS, signal)
        guard = await readGuardPresence(client, this.#clock, refs, signal)
        if (guard.state === 'acts') return 'guard'
      }
      const kind = error.kind === 'toolstackUnreachable' ? error.kind : 'noGate'
      throw new PoolRefusal(
        kind,
        `${GUARD_TEXTS[guard.state]}; ${error.message}; the override was not written`,
        error.error,
      )
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
