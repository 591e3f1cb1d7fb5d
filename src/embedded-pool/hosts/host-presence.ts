import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'
import type { Database } from '../database/database.ts'
import type { StringMap } from '../database/records.ts'
import { withoutChange } from '../database/without-change.ts'
import { epochMsOfSeconds, xapiDateTime, xapiEpochSeconds } from '../database/xapi-datetime.ts'
import { type HostMemory, type LastingHostMemory, lastingOf, NO_ORDER, UNKNOWN_HOST } from './host-memory.ts'

export interface HostPresenceOptions {
  readonly clock: Clock
  /** From a host's return to its being enabled: what stock's consider_enabling_host waits for takes this long here. */
  readonly enableDelayMs: number
}

export interface HostReturn {
  /** Which boot it is, where it says so. Left out: it does not. */
  readonly bootId?: string | null
  /** When its kernel started, by its own clock. Left out: as it was. */
  readonly bootTimeMs?: number
  /** When its toolstack started. Left out: now. */
  readonly agentStartMs?: number
  /** Whether it becomes enabled. Default true. */
  readonly enable?: boolean
}

/** A machine that was told to go takes seconds; one that still runs after this does not go by itself. */
export const STILL_HERE_AFTER_MS = 60_000

/**
 * The coming and going of hosts: host_metrics.live, host.enabled as the pool itself sets it, and who was told to go.
 *
 * Invariant: what is remembered of a host is written before its record, so that who is told of the record sees both.
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

  /** What must not be forgotten, by host. */
  lasting(): readonly (readonly [hostRef: string, LastingHostMemory])[] {
    return Array.from(this.#memory).flatMap(([ref, memory]) => {
      const lasting = lastingOf(memory)
      return lasting === null ? [] : [[ref, lasting] as const]
    })
  }

  /** Takes up the hosts of an earlier run. What they said in it was before now: they count as live from now at the earliest. */
  restore(lasting: ReadonlyMap<string, LastingHostMemory>): void {
    const nowMs = this.#options.clock.now()
    for (const [ref] of this.#db.list('host')) {
      const memory = lasting.get(ref)
      // whether the earlier run has handed the order out is not known: it counts as handed out
      const handedOutSteadyMs =
        memory === undefined || memory.toldAtMs === null ? null : this.#options.clock.steadyNow()
      this.#remember(ref, { ...memory, handedOutSteadyMs, liveSinceMs: this.isLive(ref) ? nowMs : null })
      this.#enableLater(ref)
    }
  }

  isLive(hostRef: string): boolean {
    return this.#db.get('host_metrics', this.#db.get('host', hostRef)?.metrics ?? '')?.live === true
  }

  /** As stock before it hands a call on to a host (message_forwarding.ml:129-136). @throws ApiFailure HOST_OFFLINE */
  assertLive(hostRef: string): void {
    if (!this.isLive(hostRef)) throw new ApiFailure('HOST_OFFLINE', hostRef)
  }

  /** host.enable. */
  enable(hostRef: string): void {
    this.#setEnabled(hostRef, true, false)
  }

  /**
   * host.disable.
   * @param comesBack whether its next return enables it again. One that is to stay disabled does so until it is enabled: as in
   *   stock, disabling it once more changes nothing (xapi_host.ml:825-826)
   */
  disable(hostRef: string, comesBack: boolean): void {
    this.#setEnabled(hostRef, false, this.memory(hostRef).staysDisabled || !comesBack)
  }

  /** An order for the host stands from now on: it counts as going. The caller writes current_operations in the same step. */
  orderStands(hostRef: string, order: Pick<HostMemory, 'toldTo' | 'orderId' | 'orderAgent'>): void {
    this.#remember(hostRef, { ...NO_ORDER, ...order, toldAtMs: this.#options.clock.now() })
  }

  /** The host gets its order with the answer that is on its way now. */
  orderHandedOut(hostRef: string, orderAgent: string | null): void {
    this.#remember(hostRef, { orderAgent, handedOutSteadyMs: this.#options.clock.steadyNow() })
  }

  /** The host did not get its order, or does not carry it out: it does not go. Its liveness is what its heartbeats say. */
  orderLifted(hostRef: string): void {
    const host = this.#db.get('host', hostRef)
    if (host === undefined) return
    const { handedOutSteadyMs, left } = this.memory(hostRef)
    // what it has said of its leaving was about the order, if it had it
    this.#remember(hostRef, { ...NO_ORDER, left: left && handedOutSteadyMs === null })
    this.#db.update('host', hostRef, { current_operations: withoutGoingDown(host.current_operations) })
  }

  /** Whether the host has had its order for so long that it should be gone. */
  isOverdue(hostRef: string): boolean {
    const { toldAtMs, handedOutSteadyMs } = this.memory(hostRef)
    if (toldAtMs === null || handedOutSteadyMs === null) return false
    return this.#options.clock.steadyNow() - handedOutSteadyMs >= STILL_HERE_AFTER_MS
  }

  /** It was told to go, should be gone, and is heard in the same boot: it is live. That it was told stands. */
  stillHere(hostRef: string): void {
    if (!this.memory(hostRef).stillHere) {
      this.#remember(hostRef, { stillHere: true, left: false })
      // whoever follows the pool's hosts learns of it
      this.#db.update('host', hostRef, {})
    }
    this.heardAgain(hostRef)
  }

  /** A host is down: as told, or by itself. Its call is over; that it was told is remembered until it returns. */
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

  /** A host is back and has said hello (stock: Pool.hello, xapi_pool.ml:2772-2792). It becomes enabled after the delay. */
  returned(hostRef: string, { bootId = null, bootTimeMs, agentStartMs, enable = true }: HostReturn): void {
    const host = this.#db.get('host', hostRef)
    if (host === undefined) return
    const nowMs = this.#options.clock.now()
    // the new boot time first: a live host with the old one would make its report from before the reboot count
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

  /** Nothing is heard of a host any more. Nothing but its liveness is known to be different (stock: db_gc.ml:117-128). */
  fellSilent(hostRef: string): void {
    if (!this.isLive(hostRef)) return
    this.#stopEnabling(hostRef)
    this.#remember(hostRef, { liveSinceMs: null })
    this.#setLive(hostRef, false)
  }

  /** It is heard again, of the same boot (stock: db_gc.ml:103-115). */
  heardAgain(hostRef: string): void {
    if (this.isLive(hostRef) || !this.#db.has('host', hostRef)) return
    this.#remember(hostRef, { liveSinceMs: this.#options.clock.now() })
    this.#setLive(hostRef, true)
    this.#enableLater(hostRef)
  }

  /** A host's toolstack was started anew, and nothing else was. */
  toolstackRestarted(hostRef: string, agentStartMs: number): void {
    const host = this.#db.get('host', hostRef)
    const agent_start_time = xapiEpochSeconds(agentStartMs)
    if (host === undefined || host.other_config.agent_start_time === agent_start_time) return
    this.#db.update('host', hostRef, { other_config: { ...host.other_config, agent_start_time } })
  }

  /**
   * A host says which boot it is still in, and when that began by a clock that has been set since. Its reports go by that
   * clock: with the old time they would be older than the boot, and count for nothing.
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

  /** If it is to be. What is not live waits until it is heard again, also in the next run of the pool. */
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
 * A host computes its boot time from its clock (btime of /proc/stat, whole seconds), so the same boot may be told a little
 * differently each time; two boots are further apart than this.
 */
const SAME_BOOT_WITHIN_MS = 2_000

export function isSameTime(bootTimeMs: number, before: number | null): boolean {
  return before !== null && Math.abs(bootTimeMs - before) <= SAME_BOOT_WITHIN_MS
}

function withoutGoingDown(operations: StringMap): StringMap {
  return Object.fromEntries(Object.entries(operations).filter(([, word]) => word !== 'reboot' && word !== 'shutdown'))
}
