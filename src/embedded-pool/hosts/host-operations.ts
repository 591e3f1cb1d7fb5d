import type { Claim } from '../../allowed-operations/claim.ts'
import type { HostOperation } from '../../allowed-operations/pool/host-operation.ts'
import { ApiFailure, GateRefusal } from '../calls/api-failure.ts'
import type { CallContext } from '../calls/call.ts'
import type { Database } from '../database/database.ts'
import type { StringMap } from '../database/records.ts'
import type { GoingDown } from './host-memory.ts'
import { Orders, type OrdersOptions } from './orders.ts'

export interface HostOperationsOptions extends OrdersOptions {
  /** How long host.power_on waits for the host to be live. */
  readonly powerOnTimeoutMs: number
  /** Resolves when everything written so far is on disk, if it has to be. @throws ApiFailure */
  readonly saved: () => Promise<void>
}

/**
 * The host operations of XenAPI.
 *
 * Invariant: check and claim are one step. `takeDown` asks the gate and writes current_operations without giving way, so of
 * two calls in one instant the second sees the first. Stock asks each host alone and lets both pass. The gate is asked once
 * more when the host gets its order (`Orders`).
 *
 * Another difference from stock: OTHER_OPERATION_IN_PROGRESS is answered at once; stock tries again for up to two hours
 * (helpers.ml:1771-1777, 1823-1851), with the caller waiting.
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
   * host.reboot, host.shutdown. Success means that the host has its order and has not refused it; it is down when hostLeft says
   * so. It gets the order only when that is on disk: a pool that dies in between must come back knowing that the host goes.
   * If the driver throws, the order stands: it may have reached the machine, so the host blocks until it returns.
   *
   * One order per host at a time. Stock lets a second reboot of the same host pass.
   * @throws ApiFailure what the gate says, at the call or when the host fetches its order; OPERATION_NOT_ALLOWED: the host did
   *   not fetch it in time, or does not carry it out; HOST_OFFLINE, also when the host returned from another boot since the call
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

  /** host.disable. No rule forbids it: what stock checks here is the plan of HA. The host does it. @throws ApiFailure HOST_OFFLINE */
  disable(hostRef: string, comesBack: boolean): void {
    this.#options.presence.assertLive(hostRef)
    this.#options.presence.disable(hostRef, comesBack)
  }

  /** host.enable. @throws ApiFailure what the gate says, or HOST_OFFLINE */
  enable(hostRef: string, task: string): void {
    this.#assertAllowed({ host: hostRef, operation: 'enable', task })
    this.#options.presence.assertLive(hostRef)
    this.#options.presence.enable(hostRef)
  }

  /** host.evacuate: there are no VMs, so it is over when it begins. @throws ApiFailure what the gate says, or HOST_OFFLINE */
  evacuate(hostRef: string, task: string): void {
    this.#assertAllowed({ host: hostRef, operation: 'evacuate', task })
    this.#options.presence.assertLive(hostRef)
  }

  /**
   * host.power_on: switches the host on and waits until it is live, as stock's power-on plugin does.
   * @throws ApiFailure what the gate says; HOST_OFFLINE: it did not come up in time; TASK_CANCELLED: nobody waits any more
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

  /** Writes host.allowed_operations; nothing if it says so already. */
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
    const look = () => presence.isLive(hostRef) && live.resolve()
    const stop = this.#db.subscribe(({ cls }) => cls === 'host_metrics' && look())
    const cancelTimeout = clock.after(powerOnTimeoutMs, () => live.reject(new ApiFailure('HOST_OFFLINE', hostRef)))
    const abort = () => live.reject(aborted)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    look()
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
