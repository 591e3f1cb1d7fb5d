import { randomUUID } from 'node:crypto'
import type { PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { OrderEvent } from '../../updater/decision-events.ts'
import { ApiFailure, CallFailure, GateRefusal } from '../calls/api-failure.ts'
import type { Database } from '../database/database.ts'
import type { GoingDown } from './host-memory.ts'
import type { HostMachines, HostOperationGate } from './host-operation-gate.ts'
import type { HostPresence } from './host-presence.ts'
import { expired, type HostOrder, isLater, type OrderStatement, withoutOrder } from './order.ts'

export interface OrdersOptions {
  readonly gate: HostOperationGate
  readonly machines: HostMachines
  readonly presence: HostPresence
  readonly snapshot: () => PoolSnapshot
  readonly clock: Clock
  /** How long after the call an order may be handed out. */
  readonly orderLifeMs: number
  /** Hosts fetch their orders with heartbeats. False: the driver of the machines gets them immediately. */
  readonly byHeartbeat: boolean
  readonly onOrder: (event: OrderEvent) => void
}

/** Within this time the agent states whether the host carries out its order; then the waiting call ends. */
const STATED_WITHIN_MS = 15_000

/**
 * The orders to hosts to reboot or shut down, each from its call until the host is back or is known not to go down.
 *
 * Invariants. An order is on disk before it is handed out: after a crash the host counts as going down. The gate is asked again at the
 * moment of the hand-out, without the order itself in the snapshot, because the state at the time of the call may be over. The mark
 * that the host has the order is set in the same step. From then on the host counts as going down until it is back from another boot,
 * or it states that it did not get the order or does not carry it out, or an operator states that. No timeout lifts the order.
 */
export class Orders {
  readonly #db: Database
  readonly #options: OrdersOptions
  /** By ref of the host: the last order of this run, as long as it stands. */
  readonly #orders = new Map<string, HostOrder>()
  /** The agent process of the last heartbeat of each host. */
  readonly #agents = new Map<string, string>()
  /** Hosts for which `told-to-go-and-still-here` was reported. */
  readonly #stillHere = new Set<string>()

  constructor(db: Database, options: OrdersOptions) {
    this.#db = db
    this.#options = options
    db.subscribe(({ cls, ref, operation }) => {
      if (cls === 'host') this.#noteStillHere(ref)
      if (cls === 'host' && operation === 'del') this.#agents.delete(ref)
      if (this.#orders.size > 0 && (cls === 'host' || cls === 'host_metrics')) this.#follow()
    })
  }

  /** The order that a host will get, or whose call still waits; `null` if there is none. */
  pending(hostRef: string): { readonly how: GoingDown; readonly task: string } | null {
    const order = this.#orders.get(hostRef)
    return order === undefined || order.isSettled ? null : order
  }

  /**
   * Creates an order. It stands immediately and is handed out when it is on disk.
   * @param onDisk resolves when everything written so far is on disk
   * @returns when the host goes down, or must be assumed to; @throws ApiFailure why it does not: then the order is removed
   */
  async carryOut(
    hostRef: string,
    how: GoingDown,
    { task, signal }: { readonly task: string; readonly signal: AbortSignal },
    onDisk: () => Promise<void>,
  ): Promise<void> {
    const order = this.#create(hostRef, how, task)
    const abort = () => this.#withdraw(order, new ApiFailure('TASK_CANCELLED', task))
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    // a failure of the disk, or a bug in the gate: in both cases the host does not have the order
    onDisk()
      .then(() => this.#isOnDisk(order))
      .catch(failure => this.#withdraw(order, failure))
    try {
      await order.outcome.promise
    } finally {
      signal.removeEventListener('abort', abort)
      order.cancelExpiry()
      order.cancelStated()
    }
  }

  /** Applies the statement of a heartbeat and returns the order for its answer; `null` if there is none. */
  answer(hostRef: string, statement: OrderStatement | null): { readonly id: string; readonly how: GoingDown } | null {
    if (statement !== null) this.take(hostRef, statement)
    const order = this.#standing(hostRef)
    // an agent that states what it has received gets an order only once
    if (order === null || !order.isOnDisk || (order.handedOut !== null && statement !== null)) return null
    return this.#handOut(order, statement) ? order : null
  }

  /**
   * An operator states that a host does not go down.
   * @throws ApiFailure OPERATION_NOT_ALLOWED: the host has no order
   */
  clear(hostRef: string, by: string, statement: string): void {
    const { toldAtMs, toldTo } = this.#options.presence.memory(hostRef)
    if (toldAtMs === null) throw new ApiFailure('OPERATION_NOT_ALLOWED', 'the host has no order to reboot or shut down')
    this.#lift(hostRef, new ApiFailure('OPERATION_NOT_ALLOWED', `the order was cleared: ${statement}`))
    this.#report({ code: 'order-cleared', host: hostRef, how: toldTo ?? 'reboot', by, statement })
  }

  /** Withdraws the orders that were not handed out: their calls end with TASK_CANCELLED. */
  close(): void {
    for (const order of [...this.#orders.values()]) {
      this.#withdraw(order, new ApiFailure('TASK_CANCELLED', order.task))
      order.cancelExpiry()
    }
  }

  #create(host: string, how: GoingDown, task: string): HostOrder {
    const { presence, clock, orderLifeMs } = this.#options
    const expire = () => this.#withdraw(order, expired(how, orderLifeMs))
    const order: HostOrder = {
      id: randomUUID(),
      host,
      how,
      task,
      expiresAtMs: clock.steadyNow() + orderLifeMs,
      cancelExpiry: clock.after(orderLifeMs, expire),
      outcome: Promise.withResolvers(),
      isOnDisk: false,
      isSettled: false,
      handedOut: null,
      cancelStated: () => undefined,
    }
    this.#orders.set(host, order)
    presence.orderStands(host, { toldTo: how, orderId: order.id, orderAgent: this.#agents.get(host) ?? null })
    const operations = this.#db.get('host', host)?.current_operations
    this.#db.update('host', host, { current_operations: { ...operations, [task]: how } })
    return order
  }

  #isOnDisk(order: HostOrder): void {
    order.isOnDisk = true
    if (!this.#options.byHeartbeat && this.#standing(order.host) === order) this.#handOut(order, null)
  }

  /** Asks the gate and marks the order as handed out, in one step. @returns whether the host may have it now */
  #handOut(order: HostOrder, statement: OrderStatement | null): boolean {
    const { gate, machines, presence, snapshot, clock } = this.#options
    const { host, how, task } = order
    const isFirst = order.handedOut === null
    if (clock.steadyNow() >= order.expiresAtMs) {
      this.#withdraw(order, expired(how, this.#options.orderLifeMs))
      return false
    }
    const verdict = gate.claim(withoutOrder(snapshot(), order), { host, operation: how, task })
    if (!verdict.ok) {
      this.#withdraw(order, new GateRefusal(verdict.error, verdict.reasons ?? []))
      return false
    }
    order.handedOut = { agent: statement?.agent ?? null, beat: statement?.beat ?? 0 }
    presence.orderHandedOut(host, order.handedOut.agent)
    if (!isFirst) return true
    verdict.begun?.()
    this.#report({ code: 'order-handed-out', host, how })
    try {
      machines.goDown(host, how)
    } catch (bug) {
      // the order may have reached the machine, so it stands
      this.#settle(order, () => order.outcome.reject(bug))
      return true
    }
    if (statement === null) this.#settle(order, order.outcome.resolve)
    else order.cancelStated = clock.after(STATED_WITHIN_MS, () => this.#settle(order, order.outcome.resolve))
    return true
  }

  /**
   * Applies what a host states about its order. A heartbeat that was sent before the hand-out does not know the order: only a later one
   * of the same process can deny it. If this pool was restarted since, any heartbeat of the process that ran before the order was made
   * can deny it.
   */
  take(hostRef: string, { agent, beat, lastOrder, refusal }: OrderStatement): void {
    this.#agents.set(hostRef, agent)
    const { toldAtMs, toldTo, orderId, orderAgent } = this.#options.presence.memory(hostRef)
    if (toldAtMs === null || orderId === null) return
    const how = toldTo ?? 'reboot'
    const order = this.#standing(hostRef)
    if (lastOrder === orderId) {
      if (refusal === null) return
      this.#lift(hostRef, new ApiFailure('OPERATION_NOT_ALLOWED', `the host does not ${how}: ${refusal}`))
      this.#report({ code: 'order-refused', host: hostRef, how, statement: refusal })
      return
    }
    if (order === null ? agent !== orderAgent : !isLater(order.handedOut, agent, beat)) return
    if (order !== null && !order.isSettled && this.#options.clock.steadyNow() < order.expiresAtMs) {
      // the answer was lost: the next one may carry the order again
      order.handedOut = null
      order.cancelStated()
      return
    }
    this.#lift(hostRef, new ApiFailure('OPERATION_NOT_ALLOWED', 'the host has not received the order'))
    this.#report({ code: 'order-refused', host: hostRef, how, statement: 'it has not received the order' })
  }

  #noteStillHere(host: string): void {
    const { stillHere, toldTo } = this.#options.presence.memory(host)
    if (!stillHere) this.#stillHere.delete(host)
    else if (!this.#stillHere.has(host)) {
      this.#stillHere.add(host)
      this.#report({ code: 'told-to-go-and-still-here', host, how: toldTo ?? 'reboot' })
    }
  }

  /** Withdraws an order that was not handed out. After that only the host or an operator can state that the host does not go down. */
  #withdraw(order: HostOrder, failure: unknown): void {
    if (order.handedOut !== null || this.#standing(order.host) !== order) return
    const { host, how } = order
    this.#lift(host, failure)
    if (!(failure instanceof CallFailure)) return
    const reasons = failure instanceof GateRefusal ? failure.reasons : []
    this.#report({ code: 'order-withdrawn', host, how, error: failure.description, reasons })
  }

  /** Ends an order: the host does not go down. @param failure the error of the call, if it still waits */
  #lift(hostRef: string, failure: unknown): void {
    const order = this.#orders.get(hostRef)
    this.#orders.delete(hostRef)
    if (order !== undefined) {
      order.isSettled = true
      order.outcome.reject(failure)
    }
    this.#options.presence.orderLifted(hostRef)
  }

  /** Ends the wait of the call when its host has left, is back, or is removed. */
  #follow(): void {
    for (const [host, order] of this.#orders) {
      const { orderId, left } = this.#options.presence.memory(host)
      if (orderId !== order.id) {
        this.#orders.delete(host)
        const offline = new ApiFailure('HOST_OFFLINE', host)
        this.#settle(order, order.handedOut === null ? () => order.outcome.reject(offline) : order.outcome.resolve)
      } else if (left && order.handedOut !== null) this.#settle(order, order.outcome.resolve)
    }
  }

  /**
   * Ends the call, not the order. As in stock xapi, the host keeps an entry of its own in current_operations until it is back, always
   * named shutdown (xapi_host.ml:930-932).
   */
  #settle(order: HostOrder, end: () => void): void {
    if (order.isSettled) return
    order.isSettled = true
    const operations = this.#db.get('host', order.host)?.current_operations ?? {}
    if (Object.hasOwn(operations, order.task)) {
      const { [order.task]: _, ...others } = operations
      const current_operations = { ...others, [`OpaqueRef:${randomUUID()}`]: 'shutdown' }
      this.#db.update('host', order.host, { current_operations })
    }
    end()
  }

  #standing(hostRef: string): HostOrder | null {
    const order = this.#orders.get(hostRef)
    return order !== undefined && this.#options.presence.memory(hostRef).orderId === order.id ? order : null
  }

  #report(event: OrderEvent): void {
    this.#options.onOrder(event)
  }
}
