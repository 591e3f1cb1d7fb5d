import type { Claim } from '../allowed-operations/claim.ts'
import type { GatePolicy } from '../allowed-operations/pool/gate-policy.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { hostName } from '../allowed-operations/reason/describe-gate.ts'
import type { PluginCall } from '../embedded-pool/calls/host-calls.ts'
import { EmbeddedPool } from '../embedded-pool/embedded-pool.ts'
import type { HostOperationGate } from '../embedded-pool/hosts/host-operation-gate.ts'
import type { PoolOptions } from '../embedded-pool/pool-options.ts'
import { embeddedPoolPort } from '../embedded-pool/updater-port.ts'
import type { Clock } from '../platform/time/clock.ts'
import type { DecisionEvent, RefusedCall } from '../updater/decision-events.ts'
import type { GateVerdicts, PoolPort } from '../updater/pool-port.ts'
import { RefusalThrottle } from '../updater/refusal-throttle.ts'
import { Updater } from '../updater/updater.ts'

type PluginAnswer = ReturnType<NonNullable<PoolOptions['plugins']>>

/** The options of the embedded pool, without those that the gated pool sets itself. */
type PlainPoolOptions = Omit<PoolOptions, 'gate' | 'plugins' | 'onRefused' | 'onOrder'>

export interface GatedPoolOptions extends PlainPoolOptions {
  readonly clock: Clock
  readonly settings: GateSettings
  /** Answers host.call_plugin. */
  readonly plugins: (call: PluginCall, gate: PluginContext) => PluginAnswer
  readonly pollReport: PollReport
}

/** What a plugin call may read. */
export interface PluginContext {
  verdicts(): GateVerdicts
  snapshot(): PoolSnapshot
}

export interface GateSettings {
  readonly policy: GatePolicy
  /** Milliseconds. */
  readonly pollEveryMs: number
  /** Milliseconds. */
  readonly pollTimeoutMs: number
}

/** One poll: a host, and the SR whose report it is asked for. */
export interface PollTarget {
  /** Ref of the host. */
  readonly host: string
  readonly hostUuid: string
  /** For people. It takes a snapshot of the pool, so it is found only on demand. */
  readonly hostName: () => string
  /** UUID of the SR. */
  readonly sr: string
  /** The key that the agent of the host sent in its session; `null`: none yet. */
  readonly key: string | null
}

/**
 * Asks a host for its report of an SR and returns its text. Must reject if another program than the agent of that host may have
 * answered.
 */
type PollReport = (target: PollTarget, signal: AbortSignal) => Promise<string>

/** Callbacks of a gated pool. None may throw. */
export interface GateListener {
  readonly decided?: (event: DecisionEvent) => void
  /** Called for every call that is answered with an error. */
  readonly refused?: (call: RefusedCall) => void
  /** Called with the duration of each computation. */
  readonly recomputed?: (durationMs: number) => void
  readonly polled?: (outcome: 'answered' | 'failed') => void
  /** Called when an effect on the pool failed. */
  readonly effectFailed?: (error: unknown) => void
}

/**
 * An embedded pool whose host operations the project's own gate decides.
 *
 * Nothing is computed or polled before `start`. Callbacks to listeners begin with the first call of XenAPI, or with `start`.
 */
export class GatedPool {
  readonly pool: EmbeddedPool
  readonly #clock: Clock
  readonly #port: PoolPort
  readonly #gate: GateInForce
  readonly #refusals: RefusalThrottle
  readonly #listeners: Listeners

  /** @throws StateFileError: there is a state file, and it cannot be used */
  constructor({ clock, settings, plugins, pollReport, ...options }: GatedPoolOptions) {
    const gate = new GateInForce()
    const listeners = new Listeners()
    const occasion = () => ({ at: clock.now(), pool: gate.snapshot() })
    const refusals = new RefusalThrottle({
      timers: clock,
      report: (call, count) => listeners.decided({ code: 'call-refused', ...call, count, ...occasion() }),
    })
    const pool = new EmbeddedPool({
      ...options,
      clock,
      gate,
      plugins: call => plugins(call, gate),
      onOrder: event => listeners.decided({ ...event, ...occasion() }),
      onRefused: call => {
        listeners.refused(call)
        if (call.isDecision) refusals.add(call)
      },
    })
    this.pool = pool
    this.#clock = clock
    this.#gate = gate
    this.#listeners = listeners
    this.#refusals = refusals
    this.#port = embeddedPoolPort(pool, (host, sr, signal) =>
      listeners.watchPoll(pollReport(pollTarget(pool, host, sr), signal)),
    )
    gate.use(this.#updaterWith(settings))
  }

  /** Adds callbacks. Call it before `start` and before the pool is served: earlier events are not repeated. */
  subscribe(listener: GateListener): void {
    this.#listeners.add(listener)
  }

  start(): void {
    this.#gate.updater.start()
  }

  verdicts(): GateVerdicts {
    return this.#gate.verdicts()
  }

  /** Applies other settings with a new updater, which begins with an empty memory and so blocks until hosts have reported to it. */
  async changeSettings(settings: GateSettings): Promise<void> {
    const before = this.#gate.updater
    this.#gate.use(this.#updaterWith(settings))
    this.#gate.updater.start()
    await before.close()
  }

  async close(): Promise<void> {
    await this.#gate.updater.close()
    await this.pool.close()
    this.#refusals.close()
  }

  #updaterWith(settings: GateSettings): Updater {
    const { decided, recomputed, effectFailed } = this.#listeners
    return new Updater({ ...settings, pool: this.#port, clock: this.#clock, decided, recomputed, effectFailed })
  }
}

function pollTarget(pool: EmbeddedPool, host: string, sr: string): PollTarget {
  return {
    host,
    hostUuid: pool.get('host', host)?.uuid ?? '',
    hostName: () => hostName(host, pool.poolSnapshot()),
    sr: pool.get('SR', sr)?.uuid ?? '',
    key: pool.pollKey(host),
  }
}

/** The gate of the embedded pool: the updater in force, which a change of settings replaces. */
class GateInForce implements HostOperationGate, PluginContext {
  #updater: Updater | null = null

  use(updater: Updater): void {
    this.#updater = updater
  }

  get updater(): Updater {
    if (this.#updater === null) throw new Error('the gate has no updater yet')
    return this.#updater
  }

  claim(pool: PoolSnapshot, wanted: Claim) {
    return this.updater.claim(pool, wanted)
  }

  verdicts(): GateVerdicts {
    return this.updater.verdicts()
  }

  snapshot(): PoolSnapshot {
    return this.updater.snapshot()
  }
}

/** Passes each event to all listeners. */
class Listeners implements Required<GateListener> {
  readonly #all: GateListener[] = []

  add(listener: GateListener): void {
    this.#all.push(listener)
  }

  readonly decided = (event: DecisionEvent): void => {
    for (const { decided } of this.#all) decided?.(event)
  }

  readonly refused = (call: RefusedCall): void => {
    for (const { refused } of this.#all) refused?.(call)
  }

  readonly recomputed = (durationMs: number): void => {
    for (const { recomputed } of this.#all) recomputed?.(durationMs)
  }

  readonly polled = (outcome: 'answered' | 'failed'): void => {
    for (const { polled } of this.#all) polled?.(outcome)
  }

  readonly effectFailed = (error: unknown): void => {
    for (const { effectFailed } of this.#all) effectFailed?.(error)
  }

  async watchPoll(poll: Promise<string>): Promise<string> {
    try {
      const text = await poll
      this.polled('answered')
      return text
    } catch (error) {
      this.polled('failed')
      throw error
    }
  }
}
