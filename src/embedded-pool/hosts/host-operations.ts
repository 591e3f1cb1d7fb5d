import type { Claim } from '../../allowed-operations/claim.ts'
import type { HostOperation } from '../../allowed-operations/pool/host-operation.ts'
import { ApiFailure, GateRefusal } from '../calls/api-failure.ts'
import type { CallContext } from '../calls/call.ts'
import type { Database } from '../database/database.ts'
import type { StringMap } from '../database/records.ts'
import type { GoingDown } from './host-memory.ts'
import { Orders, type OrdersOptions } from './orders.ts'

export interface HostOperationsOptions extends OrdersOptions {
  /** How long host.power_on waits until the host is live. */
  readonly powerOnTimeoutMs: number
  /** Resolves when everything written so far is on disk, if the pool has a state file. @throws ApiFailure */
  readonly saved: () => Promise<void>
}

/**
 * The host operations of XenAPI.
 *
 * Invariant: check and claim are one step. `takeDown` asks the gate and writes current_operations without a wait in between, so the
 * second of two concurrent calls sees the first. Stock xapi checks each host alone and lets both pass. The gate is asked again when
 * the host gets its order (`Orders`).
 *
 * Another difference from stock xapi: OTHER_OPERATION_IN_PROGRESS is answered immediately. Stock retries for up to two hours while the
 * caller waits (helpers.ml:1771-1777, 1823-1851).
 */
export class HostOperations {
  readonly #db: Database
  readonly #options: HostOperationsOptions
  readonly orders: Orders

  constructor(db: Database, options: HostOperationsOptions) {
    this.#db = db
    this.#options = options
    this.orders = new Orders(db, options)
  }

  /**
   * host.reboot, host.shutdown. Success means that the host has its order and has not refused it; `hostLeft` reports that it is down.
   * The host gets the order only when the order is on disk: a pool that dies in between must know after its restart that the host goes
   * down. If the driver throws, the order stands: it may have reached the machine, so the host blocks until it returns.
   *
   * A host has at most one order. Stock xapi lets a second reboot of the same host pass.
   * @throws ApiFailure the error of the gate, at the call or when the host fetches its order; OPERATION_NOT_ALLOWED: the host did not
   *   fetch the order in time, or does not carry it out; HOST_OFFLINE, also if the host returned from another boot since the call
   */
  async takeDown(hostRef: string, how: GoingDown, context: Pick<CallContext, 'task' | 'signal'>): Promise<void> {
    const { presence, saved } = this.#options
    const other = this.orders.pending(hostRef)
    if (other !== null) throw new ApiFailure('OTHER_OPERATION_IN_PROGRESS', 'host', hostRef, other.how, other.task)
    this.#assertAllowed({ host: hostRef, operation: how, task: context.task })
    presence.assertLive(hostRef)
    const { toldAtMs, toldTo, orderId } = presence.memory(hostRef)
    if (toldAtMs !== null) {
      throw new ApiFailure('OTHER_OPERATION_IN_PROGRESS', 'host', hostRef, toldTo ?? 'shutdown', orderId ?? '')
    }
    await this.orders.carryOut(hostRef, how, context, saved)
  }

  /** host.disable. No rule forbids it: stock xapi only checks the HA plan here. The host must be live. @throws ApiFailure HOST_OFFLINE */
  disable(hostRef: string, comesBack: boolean): void {
    this.#options.presence.assertLive(hostRef)
    this.#options.presence.disable(hostRef, comesBack)
  }

  /** host.enable. @throws ApiFailure the error of the gate, or HOST_OFFLINE */
  enable(hostRef: string, task: string): void {
    this.#assertAllowed({ host: hostRef, operation: 'enable', task })
    this.#options.presence.assertLive(hostRef)
    this.#options.presence.enable(hostRef)
  }

  /** host.evacuate: it ends immediately, because there are no VMs. @throws ApiFailure the error of the gate, or HOST_OFFLINE */
  evacuate(hostRef: string, task: string): void {
    this.#assertAllowed({ host: hostRef, operation: 'evacuate', task })
    this.#options.presence.assertLive(hostRef)
  }

  /**
   * host.power_on: switches the host on and waits until it is live, as the power-on plugin of stock xapi does.
   * @throws ApiFailure the error of the gate; HOST_OFFLINE: the host is not live in time; TASK_CANCELLED: the client no longer waits
   */
  async powerOn(hostRef: string, { task, signal }: Pick<CallContext, 'task' | 'signal'>): Promise<void> {
    const { machines } = this.#options
    this.#assertAllowed({ host: hostRef, operation: 'power_on', task })
    if (machines.powerOn === undefined) throw new ApiFailure('XENAPI_MISSING_PLUGIN', 'power-on-host')
    this.#setCurrentOperations(hostRef, { ...this.#currentOperations(hostRef), [task]: 'power_on' })
    try {
      machines.powerOn(hostRef)
      await this.#untilLive(hostRef, signal, new ApiFailure('TASK_CANCELLED', task))
    } finally {
      this.#endOperation(hostRef, task)
    }
  }

  /** Writes host.allowed_operations if it differs. */
  setAllowedOperations(hostRef: string, operations: readonly HostOperation[]): void {
    const stored = this.#db.get('host', hostRef)?.allowed_operations
    if (stored?.join() !== operations.join()) {
      this.#db.update('host', hostRef, { allowed_operations: [...operations] })
    }
  }

  #assertAllowed(claim: Claim): void {
    const verdict = this.#options.gate.claim(this.#options.snapshot(), claim)
    if (!verdict.ok) throw new GateRefusal(verdict.error, verdict.reasons ?? [])
  }

  async #untilLive(hostRef: string, signal: AbortSignal, aborted: ApiFailure): Promise<void> {
    const { presence, clock, powerOnTimeoutMs } = this.#options
    const live = Promise.withResolvers<void>()
    const check = () => presence.isLive(hostRef) && live.resolve()
    const stop = this.#db.subscribe(({ cls }) => cls === 'host_metrics' && check())
    const cancelTimeout = clock.after(powerOnTimeoutMs, () => live.reject(new ApiFailure('HOST_OFFLINE', hostRef)))
    const abort = () => live.reject(aborted)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    check()
    try {
      await live.promise
    } finally {
      stop()
      cancelTimeout()
      signal.removeEventListener('abort', abort)
    }
  }

  #currentOperations(hostRef: string): StringMap {
    return this.#db.get('host', hostRef)?.current_operations ?? {}
  }

  #setCurrentOperations(hostRef: string, operations: StringMap): void {
    this.#db.update('host', hostRef, { current_operations: operations })
  }

  #endOperation(hostRef: string, task: string): void {
    this.#setCurrentOperations(hostRef, without(this.#currentOperations(hostRef), task))
  }
}

function without(operations: StringMap, task: string): StringMap {
  return Object.fromEntries(Object.entries(operations).filter(([ref]) => ref !== task))
}
