import { randomUUID } from 'node:crypto'
import type { HostOperation, XapiError } from '../allowed-operations/host-operation.ts'
import type { PoolSnapshot } from '../allowed-operations/pool-snapshot.ts'
import type { Timers } from '../waiting/index.ts'
import { ApiFailure } from './api-failure.ts'
import type { CallContext } from './call.ts'
import type { Database } from './database.ts'
import type { GoingDown } from './host-memory.ts'
import type { HostPresence } from './host-presence.ts'
import type { StringMap } from './records.ts'

/** What a caller wants to begin. */
export interface OperationClaim {
  /** Ref of the host. */
  readonly host: string
  readonly operation: HostOperation
  /** Ref of the task that will do it. */
  readonly task: string
}

/** Decides whether a host operation may begin. */
export interface HostOperationGate {
  /**
   * Must answer at once, from the pool as it is handed in. The pool writes an accepted reboot or shutdown into
   * `current_operations` before anything else can run: the next claim finds it there.
   */
  claim(
    pool: PoolSnapshot,
    claim: OperationClaim,
  ): { readonly ok: true } | { readonly ok: false; readonly error: XapiError }
}

/** The machines behind the pool's hosts, which somebody else drives. */
export interface HostMachines {
  /** Begins to take the host down. The driver calls hostLeft when it is down, and hostReturned when it is back. */
  goDown(hostRef: string, how: GoingDown): void
  /** Switches a host on. A driver without it: host.power_on fails as on a pool without the power-on plugin. */
  powerOn?(hostRef: string): void
}

export interface HostOperationsOptions {
  readonly gate: HostOperationGate
  readonly machines: HostMachines
  readonly presence: HostPresence
  readonly snapshot: () => PoolSnapshot
  readonly timers: Timers
  /** How long host.power_on waits for the host to be live. */
  readonly powerOnTimeoutMs: number
  /** Resolves when everything written so far is on disk, if it has to be. @throws ApiFailure */
  readonly saved: () => Promise<void>
}

/**
 * The host operations of XenAPI.
 *
 * Invariant: check and claim are one step. `takeDown` asks the gate and writes current_operations without giving way, so of
 * two calls in one instant the second sees the first. Stock asks each host alone and lets both pass.
 *
 * Another difference from stock: OTHER_OPERATION_IN_PROGRESS is answered at once; stock tries again for up to two hours
 * (helpers.ml:1771-1777, 1823-1851), with the caller waiting.
 */
export class HostOperations {
  readonly #db: Database
  readonly #options: HostOperationsOptions
  /** Hosts whose claims are not on disk yet, and what the claim is for. */
  readonly #claiming = new Map<string, { readonly how: GoingDown; readonly task: string }>()

  constructor(db: Database, options: HostOperationsOptions) {
    this.#db = db
    this.#options = options
  }

  /**
   * host.reboot, host.shutdown. Success means that the host was told; it is down when hostLeft says so. It is told only
   * when the claim is on disk: a pool that dies in between must come back knowing that the host goes.
   * If the driver throws, the claim stays: the order may have reached the machine, so the host blocks until it returns.
   *
   * One claim per host at a time goes to disk. Stock lets a second reboot of the same host pass; here the end of one would
   * undo, or tell, what the other has not written yet.
   * @throws ApiFailure what the gate says; HOST_OFFLINE, also when it turns out that the host was away: it has returned
   *   from another boot since the claim, which that has ended, so the machine may go only with a new one
   */
  async takeDown(hostRef: string, how: GoingDown, task: string): Promise<void> {
    const { presence, machines, saved } = this.#options
    const other = this.#claiming.get(hostRef)
    if (other !== undefined) throw new ApiFailure('OTHER_OPERATION_IN_PROGRESS', 'host', hostRef, other.how, other.task)
    this.#assertAllowed({ host: hostRef, operation: how, task })
    presence.assertLive(hostRef)
    const telling = presence.tell(hostRef, how)
    this.#claiming.set(hostRef, { how, task })
    this.#setCurrentOperations(hostRef, { ...this.#currentOperations(hostRef), [task]: how })
    try {
      await saved()
    } catch (failure) {
      telling.undo()
      this.#endOperation(hostRef, task)
      throw failure
    } finally {
      this.#claiming.delete(hostRef)
    }
    if (!telling.stands()) {
      this.#endOperation(hostRef, task)
      throw new ApiFailure('HOST_OFFLINE', hostRef)
    }
    machines.goDown(hostRef, how)
    // Over is the call only: stock's host holds an entry of its own, always called shutdown, until it is back
    // (xapi_host.ml:930-932).
    if (Object.hasOwn(this.#currentOperations(hostRef), task)) {
      const subtask = `OpaqueRef:${randomUUID()}`
      this.#setCurrentOperations(hostRef, { ...without(this.#currentOperations(hostRef), task), [subtask]: 'shutdown' })
    }
  }

  /** What a host is to do, and has not done yet. `null` also while the claim is not on disk. */
  order(hostRef: string): GoingDown | null {
    return this.#claiming.has(hostRef) ? null : this.#options.presence.memory(hostRef).toldTo
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

  #assertAllowed(claim: OperationClaim): void {
    const verdict = this.#options.gate.claim(this.#options.snapshot(), claim)
    if (!verdict.ok) throw new ApiFailure(...verdict.error)
  }

  async #untilLive(hostRef: string, signal: AbortSignal, aborted: ApiFailure): Promise<void> {
    const { presence, timers, powerOnTimeoutMs } = this.#options
    const live = Promise.withResolvers<void>()
    const look = () => presence.isLive(hostRef) && live.resolve()
    const stop = this.#db.subscribe(({ cls }) => cls === 'host_metrics' && look())
    const cancelTimeout = timers.after(powerOnTimeoutMs, () => live.reject(new ApiFailure('HOST_OFFLINE', hostRef)))
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
