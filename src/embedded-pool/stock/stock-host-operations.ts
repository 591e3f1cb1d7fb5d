import type { HostOperation } from '../../allowed-operations/pool/host-operation.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import { ApiFailure, handleInvalid } from '../calls/api-failure.ts'
import type { CallContext } from '../calls/call.ts'
import type { Database } from '../database/database.ts'
import { NULL_REF } from '../database/records.ts'
import type { GoingDown } from '../hosts/host-memory.ts'
import type { HostPresence } from '../hosts/host-presence.ts'
import type { AllowedOperationsField } from './allowed-operations-field.ts'
import { StockFailure } from './stock-failure.ts'
import type { StockHosts } from './stock-hosts.ts'
import type { StockMachines, StockTimes } from './stock-options.ts'

export interface StockHostOperationsOptions {
  readonly clock: Clock
  readonly times: StockTimes
  readonly machines: StockMachines
  readonly presence: HostPresence
  readonly hosts: StockHosts
  readonly field: AllowedOperationsField
  readonly powerOnTimeoutMs: number
}

type Context = Pick<CallContext, 'task' | 'signal'>

/** OTHER_OPERATION_IN_PROGRESS is retried with this back-off, up to this limit in total (helpers.ml:1771-1777, 1823-1851). */
const RETRY_MS = { first: 1_000, max: 20_000, total: 7_200_000 } as const

/** The operations that the oldest members of a rolling upgrade know: only these get an entry in current_operations. */
const IN_ROLLING_UPGRADE: ReadonlySet<HostOperation> = new Set(['evacuate', 'provision'])

/** The host operations of a stock xapi (message_forwarding.ml:3544-3668, xapi_host.ml). Each host is checked alone: two reboots pass. */
export class StockHostOperations {
  readonly #db: Database
  readonly #options: StockHostOperationsOptions
  /** Number of the run of the coordinator's xapi. */
  #run = 0

  constructor(db: Database, options: StockHostOperationsOptions) {
    this.#db = db
    this.#options = options
  }

  /** The calls that run now end with HANDLE_INVALID of their task, and change nothing more: xapi has ended, or destroyed their tasks. */
  dropCalls(): void {
    this.#run += 1
  }

  /** host.reboot, host.shutdown: it returns when the host has begun to wait for its `/sbin/shutdown`. */
  takeDown(hostRef: string, how: GoingDown, context: Context): Promise<void> {
    return this.#withOperation(hostRef, how, context, async () => {
      await this.#forwarded(hostRef, this.#options.times.goDownCallMs, context)
      // the host checks again: a Host.enable may have come between
      if (this.#db.get('host', hostRef)?.enabled !== false) throw new StockFailure(['HOST_NOT_DISABLED'])
      this.#options.hosts.goDown(hostRef, how)
    })
  }

  /** host.apply_updates: it disables an enabled host before it checks the rules (xapi_host.ml:3133). This pool has no repository. */
  async applyUpdates(hostRef: string, context: Context): Promise<void> {
    if (this.#db.get('host', hostRef)?.enabled === true) await this.disable(hostRef, true, context)
    await this.#withOperation(hostRef, 'apply_updates', context, async () => {
      await this.forward(hostRef, this.#options.times.hostCallMs)
      throw new StockFailure(['NO_REPOSITORY_ENABLED'])
    })
  }

  /**
   * host.disable. No rule forbids it. It recomputes its own host only.
   * @param autoEnable the flag is written only if the call really disables the host (xapi_host.ml:825-826)
   */
  async disable(hostRef: string, autoEnable: boolean, context: Context): Promise<void> {
    const { hosts, field, times } = this.#options
    await this.#forwarded(hostRef, times.hostCallMs, context)
    if (this.#db.get('host', hostRef)?.enabled === true) {
      hosts.state(hostRef).autoEnable = autoEnable
      hosts.state(hostRef).disabledByUser = true
      this.#db.update('host', hostRef, { enabled: false })
    }
    field.update(hostRef)
  }

  /** host.enable. Also of an enabled host it recomputes all hosts if any SR is clustered. */
  async enable(hostRef: string, context: Context): Promise<void> {
    const { hosts, field, times } = this.#options
    await this.#withOperation(hostRef, 'enable', context, async () => {
      await this.#forwarded(hostRef, times.hostCallMs, context)
      if (this.#db.get('host', hostRef)?.enabled === true) return
      const state = hosts.state(hostRef)
      if (!state.isStarted) throw new StockFailure(['HOST_STILL_BOOTING'])
      if (state.disabledUntilReboot) throw new StockFailure(['HOST_DISABLED_UNTIL_REBOOT', hostRef])
      state.autoEnable = true
      state.disabledByUser = false
      this.#db.update('host', hostRef, { enabled: true })
    })
    field.update(hostRef)
  }

  /** host.evacuate: there are no VMs. */
  evacuate(hostRef: string, context: Context): Promise<void> {
    return this.#withOperation(hostRef, 'evacuate', context, () =>
      this.forward(hostRef, this.#options.times.hostCallMs),
    )
  }

  /** host.power_on: waits until the host is live, as the power-on plugin does. */
  powerOn(hostRef: string, context: Context): Promise<void> {
    const { machines, presence, powerOnTimeoutMs, clock } = this.#options
    return this.#withOperation(hostRef, 'power_on', context, async () => {
      machines.powerOn?.(hostRef)
      const waiting = new AbortController()
      const stop = this.#db.subscribe(({ cls }) => {
        if (cls === 'host_metrics' && presence.isLive(hostRef)) waiting.abort()
      })
      const signal = AbortSignal.any([waiting.signal, context.signal])
      await sleep(clock, powerOnTimeoutMs, signal).finally(stop)
      if (context.signal.aborted) throw new ApiFailure('TASK_CANCELLED', context.task)
      presence.assertLive(hostRef)
    })
  }

  /** `with_host_operation` (xapi_host_helpers.ml:216-250). */
  async #withOperation(
    hostRef: string,
    operation: HostOperation,
    context: Context,
    body: () => Promise<void>,
  ): Promise<void> {
    const { field } = this.#options
    const run = this.#run
    await this.#retried(hostRef, context, () => {
      field.assertValid(hostRef, operation)
      if (!this.#isRollingUpgrade() || IN_ROLLING_UPGRADE.has(operation)) {
        const current_operations = this.#db.get('host', hostRef)?.current_operations
        this.#db.update('host', hostRef, { current_operations: { ...current_operations, [context.task]: operation } })
      }
      field.update(hostRef)
    })
    try {
      await body()
    } finally {
      if (run === this.#run) {
        const { [context.task]: _, ...current_operations } = this.#db.get('host', hostRef)?.current_operations ?? {}
        this.#db.update('host', hostRef, { current_operations })
        field.updateAfterOperation(hostRef)
      }
    }
  }

  /** `retry_with_global_lock`. The end of another operation of the host ends a wait early. */
  async #retried(hostRef: string, { task, signal }: Context, attempt: () => void): Promise<void> {
    const { clock } = this.#options
    const endMs = clock.steadyNow() + RETRY_MS.total
    for (let delayMs: number = RETRY_MS.first; ; delayMs = Math.min(2 * delayMs, RETRY_MS.max)) {
      if (signal.aborted) throw new ApiFailure('TASK_CANCELLED', task)
      try {
        return attempt()
      } catch (failure) {
        const isTransient = failure instanceof StockFailure && failure.description[0] === 'OTHER_OPERATION_IN_PROGRESS'
        if (!isTransient || clock.steadyNow() >= endMs) throw failure
      }
      const before = this.#operationsOf(hostRef)
      const woken = new AbortController()
      const stop = this.#db.subscribe(({ cls, ref }) => {
        if (cls === 'host' && ref === hostRef && this.#operationsOf(hostRef) < before) woken.abort()
      })
      await sleep(clock, delayMs, AbortSignal.any([signal, woken.signal])).finally(stop)
    }
  }

  /**
   * `do_op_on` (message_forwarding.ml:129-171). The coordinator itself needs no heartbeat.
   * @throws ApiFailure HOST_OFFLINE: the host is not live; StockFailure CANNOT_CONTACT_HOST: it is off, and nobody has noticed yet
   */
  async forward(hostRef: string, durationMs: number): Promise<void> {
    const coordinator = this.#db.list('pool')[0]?.[1].master ?? NULL_REF
    if (hostRef !== coordinator) this.#options.presence.assertLive(hostRef)
    if (this.#options.hosts.state(hostRef).isDown) throw new StockFailure(['CANNOT_CONTACT_HOST', hostRef])
    if (durationMs > 0) await sleep(this.#options.clock, durationMs)
  }

  async #forwarded(hostRef: string, durationMs: number, { task }: Context): Promise<void> {
    const run = this.#run
    await this.forward(hostRef, durationMs)
    if (run !== this.#run) throw handleInvalid('task', task)
  }

  #operationsOf(hostRef: string): number {
    return Object.keys(this.#db.get('host', hostRef)?.current_operations ?? {}).length
  }

  #isRollingUpgrade(): boolean {
    return this.#db.list('pool').some(([, pool]) => Object.hasOwn(pool.other_config, 'rolling_upgrade_in_progress'))
  }
}
