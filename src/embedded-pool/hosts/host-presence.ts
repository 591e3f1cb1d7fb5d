import { epochMsOfSeconds } from '../../allowed-operations/pool/xapi-moments.ts'
import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'
import type { Database } from '../database/database.ts'
import type { StringMap } from '../database/records.ts'
import { withoutChange } from '../database/without-change.ts'
import { xapiDateTime, xapiEpochSeconds } from '../database/xapi-datetime.ts'
import { type HostMemory, type LastingHostMemory, lastingOf, NO_ORDER, UNKNOWN_HOST } from './host-memory.ts'

export interface HostPresenceOptions {
  readonly clock: Clock
  /** Time from the return of a host until it is enabled. It stands for the wait of stock's consider_enabling_host. */
  readonly enableDelayMs: number
}

export interface HostReturn {
  /** Id of the kernel boot, if known. */
  readonly bootId?: string | null
  /** Start of the kernel, by the clock of the host. Default: unchanged. */
  readonly bootTimeMs?: number
  /** Start of the toolstack. Default: now. */
  readonly agentStartMs?: number
  /** Whether the host becomes enabled. Default true. */
  readonly enable?: boolean
}

/** A machine takes seconds to go down. One that still runs this long after its order does not go down by itself. */
export const STILL_HERE_AFTER_MS = 60_000

/**
 * Tracks which hosts are live and which have an order: host_metrics.live, host.enabled as far as the pool sets it, and `HostMemory`.
 *
 * Invariant: the memory of a host is written before its record, so that a subscriber to the record sees both.
 */
export class HostPresence {
  readonly #db: Database
  readonly #options: HostPresenceOptions
  readonly #memory = new Map<string, HostMemory>()
  readonly #enabling = new Map<string, () => void>()

  constructor(db: Database, options: HostPresenceOptions) {
    this.#db = db
    this.#options = options
    db.subscribe(({ cls, ref, operation }) => {
      if (cls !== 'host' || operation === 'mod') return
      this.#stopEnabling(ref)
      const before = this.#memory.get(ref)
      this.#memory.delete(ref)
      if (before !== undefined) {
        db.undoable(() => {
          this.#memory.set(ref, before)
          this.#enableLater(ref)
        })
      }
      if (this.isLive(ref)) this.#remember(ref, { liveSinceMs: this.#options.clock.now() })
    })
  }

  memory(hostRef: string): HostMemory {
    return this.#memory.get(hostRef) ?? UNKNOWN_HOST
  }

  /** The memory of each host that the state file must keep. */
  lasting(): readonly (readonly [hostRef: string, LastingHostMemory])[] {
    return Array.from(this.#memory).flatMap(([ref, memory]) => {
      const lasting = lastingOf(memory)
      return lasting === null ? [] : [[ref, lasting] as const]
    })
  }

  /** Restores the hosts of an earlier run. They count as live from now at the earliest, because their heartbeats were earlier. */
  restore(lasting: ReadonlyMap<string, LastingHostMemory>): void {
    const nowMs = this.#options.clock.now()
    for (const [ref] of this.#db.list('host')) {
      const memory = lasting.get(ref)
      // it is not known whether the earlier run handed the order out: it counts as handed out
      const handedOutSteadyMs =
        memory === undefined || memory.toldAtMs === null ? null : this.#options.clock.steadyNow()
      this.#remember(ref, { ...memory, handedOutSteadyMs, liveSinceMs: this.isLive(ref) ? nowMs : null })
      this.#enableLater(ref)
    }
  }

  isLive(hostRef: string): boolean {
    return this.#db.get('host_metrics', this.#db.get('host', hostRef)?.metrics ?? '')?.live === true
  }

  /** As stock xapi before it forwards a call to a host (message_forwarding.ml:129-136). @throws ApiFailure HOST_OFFLINE */
  assertLive(hostRef: string): void {
    if (!this.isLive(hostRef)) throw new ApiFailure('HOST_OFFLINE', hostRef)
  }

  /** host.enable. */
  enable(hostRef: string): void {
    this.#setEnabled(hostRef, true, false)
  }

  /**
   * host.disable.
   * @param comesBack whether the next return of the host enables it. A host that is to stay disabled does so until host.enable: as in
   *   stock xapi, another host.disable changes nothing (xapi_host.ml:825-826)
   */
  disable(hostRef: string, comesBack: boolean): void {
    this.#setEnabled(hostRef, false, this.memory(hostRef).staysDisabled || !comesBack)
  }

  /** Records an order: the host counts as going down from now on. The caller writes current_operations in the same step. */
  orderStands(hostRef: string, order: Pick<HostMemory, 'toldTo' | 'orderId' | 'orderAgent'>): void {
    this.#remember(hostRef, { ...NO_ORDER, ...order, toldAtMs: this.#options.clock.now() })
  }

  /** Records that the current answer hands the order to the host. */
  orderHandedOut(hostRef: string, orderAgent: string | null): void {
    this.#remember(hostRef, { orderAgent, handedOutSteadyMs: this.#options.clock.steadyNow() })
  }

  /** Removes the order: the host did not get it, or does not carry it out. Its heartbeats decide whether it is live. */
  orderLifted(hostRef: string): void {
    const host = this.#db.get('host', hostRef)
    if (host === undefined) return
    const { handedOutSteadyMs, left } = this.memory(hostRef)
    // if the host had the order, its report of a shutdown was about that order
    this.#remember(hostRef, { ...NO_ORDER, left: left && handedOutSteadyMs === null })
    this.#db.update('host', hostRef, { current_operations: withoutGoingDown(host.current_operations) })
  }

  /** Whether the host got its order so long ago that it should be down. */
  isOverdue(hostRef: string): boolean {
    const { toldAtMs, handedOutSteadyMs } = this.memory(hostRef)
    if (toldAtMs === null || handedOutSteadyMs === null) return false
    return this.#options.clock.steadyNow() - handedOutSteadyMs >= STILL_HERE_AFTER_MS
  }

  /** The host should be down and sends heartbeats of the same boot: it is live. Its order stands. */
  stillHere(hostRef: string): void {
    if (!this.memory(hostRef).stillHere) {
      this.#remember(hostRef, { stillHere: true, left: false })
      // an empty write notifies the subscribers of the host
      this.#db.update('host', hostRef, {})
    }
    this.heartbeatsResumed(hostRef)
  }

  /** A host is down, with or without an order. Its call ends; the memory keeps the order until the host returns. */
  left(hostRef: string): void {
    const host = this.#db.get('host', hostRef)
    if (host === undefined) return
    this.#stopEnabling(hostRef)
    const before = this.memory(hostRef)
    const enabledBefore = before.left ? before.enabledBefore : host.enabled || before.enabling
    this.#remember(hostRef, { liveSinceMs: null, left: true, enabledBefore, enabling: false })
    this.#setLive(hostRef, false)
    this.#db.update('host', hostRef, { enabled: false, current_operations: withoutGoingDown(host.current_operations) })
  }

  /** A host is back and has called pool.hello (stock: xapi_pool.ml:2772-2792). It becomes enabled after the delay. */
  returned(hostRef: string, { bootId = null, bootTimeMs, agentStartMs, enable = true }: HostReturn): void {
    const host = this.#db.get('host', hostRef)
    if (host === undefined) return
    const nowMs = this.#options.clock.now()
    // write the new boot time first: with the old one the report from before the reboot would count while the host is live
    this.#db.update('host', hostRef, {
      enabled: false,
      current_operations: withoutGoingDown(host.current_operations),
      other_config: {
        ...host.other_config,
        ...(bootTimeMs === undefined ? {} : { boot_time: xapiEpochSeconds(bootTimeMs) }),
        agent_start_time: xapiEpochSeconds(agentStartMs ?? nowMs),
      },
    })
    this.#remember(hostRef, {
      ...NO_ORDER,
      left: false,
      liveSinceMs: nowMs,
      enabling: enable && !this.memory(hostRef).staysDisabled,
      bootId,
    })
    this.#setLive(hostRef, true)
    this.#stopEnabling(hostRef)
    this.#enableLater(hostRef)
  }

  /** A host no longer sends heartbeats. Only its liveness changes (stock: db_gc.ml:117-128). */
  fellSilent(hostRef: string): void {
    if (!this.isLive(hostRef)) return
    this.#stopEnabling(hostRef)
    this.#remember(hostRef, { liveSinceMs: null })
    this.#setLive(hostRef, false)
  }

  /** A host sends heartbeats again, of the same boot (stock: db_gc.ml:103-115). */
  heartbeatsResumed(hostRef: string): void {
    if (this.isLive(hostRef) || !this.#db.has('host', hostRef)) return
    this.#remember(hostRef, { liveSinceMs: this.#options.clock.now() })
    this.#setLive(hostRef, true)
    this.#enableLater(hostRef)
  }

  /** The toolstack of a host was restarted, and the host was not. */
  toolstackRestarted(hostRef: string, agentStartMs: number): void {
    const host = this.#db.get('host', hostRef)
    const agent_start_time = xapiEpochSeconds(agentStartMs)
    if (host === undefined || host.other_config.agent_start_time === agent_start_time) return
    this.#db.update('host', hostRef, { other_config: { ...host.other_config, agent_start_time } })
  }

  /**
   * A host reports its unchanged boot, and a boot time by a clock that may have been set since. The times of its reports are by that
   * clock: compared with the old boot time they would be older than the boot and would not count.
   */
  sameBoot(hostRef: string, bootId: string, bootTimeMs: number | undefined): void {
    const host = this.#db.get('host', hostRef)
    if (host === undefined) return
    if (this.memory(hostRef).bootId !== bootId) this.#remember(hostRef, { bootId })
    if (bootTimeMs === undefined || isSameTime(bootTimeMs, this.bootTimeMs(hostRef))) return
    const boot_time = xapiEpochSeconds(bootTimeMs)
    this.#db.update('host', hostRef, { other_config: { ...host.other_config, boot_time } })
  }

  bootTimeMs(hostRef: string): number | null {
    return epochMsOfSeconds(this.#db.get('host', hostRef)?.other_config.boot_time)
  }

  close(): void {
    for (const hostRef of [...this.#enabling.keys()]) this.#stopEnabling(hostRef)
  }

  #setEnabled(hostRef: string, enabled: boolean, staysDisabled: boolean): void {
    this.#stopEnabling(hostRef)
    this.#db.undoable(() => this.#enableLater(hostRef))
    this.#remember(hostRef, { enabling: false, staysDisabled })
    this.#db.update('host', hostRef, { enabled })
  }

  #setLive(hostRef: string, live: boolean): void {
    const metrics = this.#db.get('host', hostRef)?.metrics ?? ''
    this.#db.update('host_metrics', metrics, { live, last_updated: xapiDateTime(this.#options.clock.now()) })
  }

  #remember(hostRef: string, change: Partial<HostMemory>): void {
    const before = this.memory(hostRef)
    const after = { ...before, ...change }
    this.#memory.set(hostRef, after)
    this.#db.undoable(() => this.#memory.set(hostRef, withoutChange(this.memory(hostRef), before, after)))
  }

  /** Enables the host after the delay if its memory says so. A host that is not live waits until it is, also in the next run of the pool. */
  #enableLater(hostRef: string): void {
    if (!this.memory(hostRef).enabling || !this.isLive(hostRef) || this.#enabling.has(hostRef)) return
    const cancel = this.#options.clock.after(this.#options.enableDelayMs, () => {
      this.#enabling.delete(hostRef)
      this.#remember(hostRef, { enabling: false })
      this.#db.update('host', hostRef, { enabled: true })
    })
    this.#enabling.set(hostRef, cancel)
  }

  #stopEnabling(hostRef: string): void {
    this.#enabling.get(hostRef)?.()
    this.#enabling.delete(hostRef)
  }
}

/**
 * A host computes its boot time from its clock (btime of /proc/stat, whole seconds), so the value of one boot varies slightly. Two
 * boots are further apart than this.
 */
const SAME_BOOT_WITHIN_MS = 2_000

export function isSameTime(bootTimeMs: number, before: number | null): boolean {
  return before !== null && Math.abs(bootTimeMs - before) <= SAME_BOOT_WITHIN_MS
}

function withoutGoingDown(operations: StringMap): StringMap {
  return Object.fromEntries(Object.entries(operations).filter(([, word]) => word !== 'reboot' && word !== 'shutdown'))
}
