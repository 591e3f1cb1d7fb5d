import type { HostOperation, XapiError } from '../allowed-operations/host-operation.ts'
import type { PoolSnapshot } from '../allowed-operations/pool-snapshot.ts'
import { ApiFailure } from './api-failure.ts'
import type { Database } from './database.ts'
import type { StringMap } from './records.ts'
import type { Timers } from './timers.ts'
import { xapiDateTime, xapiEpochSeconds } from './xapi-datetime.ts'

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

export type GoingDown = 'reboot' | 'shutdown'

export interface HostOperationsOptions {
  readonly gate: HostOperationGate
  readonly machines: HostMachines
  readonly snapshot: () => PoolSnapshot
  readonly now: () => number
  readonly timers: Timers
  /** From a host's return to its being enabled: what stock's consider_enabling_host waits for takes this long here. */
  readonly enableDelayMs: number
}

/** What the pool remembers of a host beside its record. */
export interface HostMemory {
  /** It was told to go down and has not come back. */
  readonly leaving: boolean
  readonly liveSinceMs: number | null
}

/**
 * The host operations of XenAPI, and the coming and going of hosts.
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
  readonly #memory = new Map<string, HostMemory>()
  readonly #enabling = new Map<string, () => void>()

  constructor(db: Database, options: HostOperationsOptions) {
    this.#db = db
    this.#options = options
    db.subscribe(({ cls, ref, operation }) => {
      if (cls !== 'host' || operation === 'mod') return
      this.#stopEnabling(ref)
      this.#memory.delete(ref)
      if (this.#isLive(ref)) this.#remember(ref, { liveSinceMs: this.#options.now() })
    })
  }

  memory(hostRef: string): HostMemory {
    return this.#memory.get(hostRef) ?? { leaving: false, liveSinceMs: null }
  }

  /**
   * host.reboot, host.shutdown. Success means that the host was told; it is down when hostLeft says so.
   * If the driver throws, the claim stays: the order may have reached the machine, so the host blocks until it returns.
   * @throws ApiFailure what the gate says, or HOST_OFFLINE
   */
  takeDown(hostRef: string, how: GoingDown, task: string): void {
    this.#assertAllowed({ host: hostRef, operation: how, task })
    this.assertLive(hostRef)
    // before the write: who is told of the write must see both
    this.#remember(hostRef, { leaving: true })
    this.#db.update('host', hostRef, { current_operations: { ...this.#currentOperations(hostRef), [task]: how } })
    this.#options.machines.goDown(hostRef, how)
  }

  /** host.disable. Always allowed: what stock checks here is the plan of HA. */
  disable(hostRef: string): void {
    this.#stopEnabling(hostRef)
    this.#db.update('host', hostRef, { enabled: false })
  }

  /** host.enable. @throws ApiFailure what the gate says, or HOST_OFFLINE */
  enable(hostRef: string, task: string): void {
    this.#assertAllowed({ host: hostRef, operation: 'enable', task })
    this.assertLive(hostRef)
    this.#stopEnabling(hostRef)
    this.#db.update('host', hostRef, { enabled: true })
  }

  /** host.evacuate: there are no VMs, so it is over when it begins. @throws ApiFailure what the gate says, or HOST_OFFLINE */
  evacuate(hostRef: string, task: string): void {
    this.#assertAllowed({ host: hostRef, operation: 'evacuate', task })
    this.assertLive(hostRef)
  }

  /** host.power_on. Unlike stock's it does not wait for the host to come up. @throws ApiFailure what the gate says */
  powerOn(hostRef: string, task: string): void {
    this.#assertAllowed({ host: hostRef, operation: 'power_on', task })
    const { machines } = this.#options
    if (machines.powerOn === undefined) throw new ApiFailure('XENAPI_MISSING_PLUGIN', 'power-on-host')
    machines.powerOn(hostRef)
  }

  /** A host is down: as told, or by itself. Its call is over; that it was told is remembered until it returns. */
  hostLeft(hostRef: string): void {
    if (!this.#db.has('host', hostRef)) return
    this.#stopEnabling(hostRef)
    this.#remember(hostRef, { liveSinceMs: null })
    this.#setLive(hostRef, false)
    this.#db.update('host', hostRef, { enabled: false, current_operations: this.#withoutGoingDown(hostRef) })
  }

  /**
   * A host is back and has said hello (stock: Pool.hello, xapi_pool.ml:2772-2792). It becomes enabled after the delay.
   * @param bootTimeMs when its kernel started, by its own clock
   */
  hostReturned(hostRef: string, { bootTimeMs }: { readonly bootTimeMs: number }): void {
    const host = this.#db.get('host', hostRef)
    if (host === undefined) return
    const nowMs = this.#options.now()
    // the new boot time first: a live host with the old one would make its report from before the reboot count
    this.#db.update('host', hostRef, {
      enabled: false,
      current_operations: this.#withoutGoingDown(hostRef),
      other_config: {
        ...host.other_config,
        boot_time: xapiEpochSeconds(bootTimeMs),
        agent_start_time: xapiEpochSeconds(nowMs),
      },
    })
    this.#remember(hostRef, { leaving: false, liveSinceMs: nowMs })
    this.#setLive(hostRef, true)
    this.#stopEnabling(hostRef)
    const enable = () => {
      this.#enabling.delete(hostRef)
      this.#db.update('host', hostRef, { enabled: true })
    }
    this.#enabling.set(hostRef, this.#options.timers.after(this.#options.enableDelayMs, enable))
  }

  /** Writes host.allowed_operations; nothing if it says so already. */
  setAllowedOperations(hostRef: string, operations: readonly HostOperation[]): void {
    const stored = this.#db.get('host', hostRef)?.allowed_operations
    if (stored?.join() !== operations.join()) {
      this.#db.update('host', hostRef, { allowed_operations: [...operations] })
    }
  }

  close(): void {
    for (const hostRef of [...this.#enabling.keys()]) this.#stopEnabling(hostRef)
  }

  #assertAllowed(claim: OperationClaim): void {
    const verdict = this.#options.gate.claim(this.#options.snapshot(), claim)
    if (!verdict.ok) throw new ApiFailure(...verdict.error)
  }

  /** As stock before it hands a call on to a host (message_forwarding.ml:129-136). @throws ApiFailure HOST_OFFLINE */
  assertLive(hostRef: string): void {
    if (!this.#isLive(hostRef)) throw new ApiFailure('HOST_OFFLINE', hostRef)
  }

  #isLive(hostRef: string): boolean {
    return this.#db.get('host_metrics', this.#db.get('host', hostRef)?.metrics ?? '')?.live === true
  }

  #currentOperations(hostRef: string): StringMap {
    return this.#db.get('host', hostRef)?.current_operations ?? {}
  }

  #withoutGoingDown(hostRef: string): StringMap {
    return Object.fromEntries(
      Object.entries(this.#currentOperations(hostRef)).filter(([, word]) => word !== 'reboot' && word !== 'shutdown'),
    )
  }

  #setLive(hostRef: string, live: boolean): void {
    const metrics = this.#db.get('host', hostRef)?.metrics ?? ''
    this.#db.update('host_metrics', metrics, { live, last_updated: xapiDateTime(this.#options.now()) })
  }

  #remember(hostRef: string, change: Partial<HostMemory>): void {
    this.#memory.set(hostRef, { ...this.memory(hostRef), ...change })
  }

  #stopEnabling(hostRef: string): void {
    this.#enabling.get(hostRef)?.()
    this.#enabling.delete(hostRef)
  }
}
