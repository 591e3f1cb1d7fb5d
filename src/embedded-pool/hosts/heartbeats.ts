import type { Clock } from '../../platform/time/clock.ts'
import type { Database } from '../database/database.ts'
import { type HostPresence, isSameTime, STILL_HERE_AFTER_MS } from './host-presence.ts'

/** Options of liveness by heartbeat, for hosts that are real machines. */
export interface LivenessOptions {
  /** After this time without a heartbeat the pool assumes that the host is dead. Stock xapi: 10 min, with a heartbeat every 30 s. */
  readonly assumeDeadAfterMs: number
}

interface HeartbeatsOptions {
  /** `null`: silence has no effect. */
  readonly assumeDeadAfterMs: number | null
  readonly clock: Clock
}

/** The same moment by both clocks. */
interface Moment {
  readonly atMs: number
  readonly steadyMs: number
}

/** The content of a heartbeat or a hello. */
export interface HeartbeatContent {
  readonly kind: 'hello' | 'heartbeat'
  /** Id of the kernel boot (/proc/sys/kernel/random/boot_id). It does not depend on a clock. */
  readonly bootId?: string
  /** Start of the kernel, by the clock of the host. */
  readonly bootTimeMs?: number
  /** Start of the toolstack, by the clock of the host. */
  readonly agentStartMs?: number
  /** The clock of the host now. */
  readonly nowMs?: number
  /** The key with which the agent proves its answers to polls (agent-api/poll-proof.ts). */
  readonly pollKey?: string
  /** Time, by a steady clock, since the host received the answer to its previous heartbeat or hello. */
  readonly sinceAnswerMs?: number
}

/** The effect of a heartbeat or a hello. */
type HeartbeatEffect = 'return' | 'toolstack restart' | 'alive' | 'alive with an order' | 'still here' | 'none'

/**
 * Decides which hosts are live by their heartbeats (pool.hello and host.tickle_heartbeat).
 *
 * Level-triggered: each check compares the last heartbeat of every host with the clock. Without `assumeDeadAfterMs` silence has no
 * effect. With it, a host without a heartbeat in this run is not live.
 *
 * The duration of silence is the longer one by two clocks: the wall clock may be set back, which would keep a dead host live, and the
 * steady clock may stop while the machine is suspended.
 */
export class Heartbeats {
  readonly #db: Database
  readonly #presence: HostPresence
  readonly #options: HeartbeatsOptions
  readonly #lastReceived = new Map<string, Moment>()
  /** The last boot time of each host. The next one is compared with it, so a drifting clock never looks like another boot. */
  readonly #bootTimeMs = new Map<string, number>()
  /** The last toolstack start of each host. A repeated value does not overwrite what host.restart_agent has written since. */
  readonly #agentStartMs = new Map<string, number>()
  /** How far the clock of each host was ahead of the clock of the pool at its last heartbeat. */
  readonly #clockAheadMs = new Map<string, number>()
  /** Time of the answer to the last heartbeat of each host, by the steady clock. */
  readonly #answeredMs = new Map<string, number>()
  /** Time at which each host reported its shutdown, by the steady clock. */
  readonly #leftMs = new Map<string, number>()
  /** The keys with which agents prove their answers to polls. They are in no record, because clients read records. */
  readonly #pollKeys = new Map<string, string>()
  #cancelCheck: (() => void) | null = null

  constructor(db: Database, presence: HostPresence, options: HeartbeatsOptions) {
    this.#db = db
    this.#presence = presence
    this.#options = options
    db.subscribe(({ cls, ref, operation }) => {
      if (cls !== 'host' || operation !== 'del') return
      this.#lastReceived.delete(ref)
      this.#bootTimeMs.delete(ref)
      this.#agentStartMs.delete(ref)
      this.#clockAheadMs.delete(ref)
      this.#pollKeys.delete(ref)
      this.#answeredMs.delete(ref)
      this.#leftMs.delete(ref)
    })
  }

  /** With liveness by heartbeat no host is live before its first heartbeat. */
  start(): void {
    if (this.#options.assumeDeadAfterMs === null) return
    for (const [ref] of this.#db.list('host')) this.#presence.fellSilent(ref)
  }

  /** Applies a heartbeat or a hello. */
  received(hostRef: string, content: HeartbeatContent): void {
    const { kind: _, nowMs: __, pollKey, sinceAnswerMs, ...boot } = content
    const atMs = this.#options.clock.now()
    const steadyMs = this.#options.clock.steadyNow()
    const ageMs = this.#ageMs(hostRef, steadyMs, sinceAnswerMs)
    this.#answeredMs.set(hostRef, steadyMs)
    // It was in transit for so long that the host may be dead by now.
    if (ageMs >= (this.#options.assumeDeadAfterMs ?? Number.POSITIVE_INFINITY)) return
    const presence = this.#presence
    const memory = presence.memory(hostRef)
    const agentStartBefore = this.#agentStartMs.get(hostRef)
    const effect = this.#effectOf(hostRef, content)
    if (pollKey !== undefined) this.#pollKeys.set(hostRef, pollKey)
    // A hello without a key is from another agent process than the one that sent the key.
    else if (content.kind === 'hello') this.#pollKeys.delete(hostRef)
    this.#lastReceived.set(hostRef, { atMs: atMs - ageMs, steadyMs: steadyMs - ageMs })
    if (content.nowMs !== undefined) this.#clockAheadMs.set(hostRef, content.nowMs - atMs)
    if (content.agentStartMs !== undefined) this.#agentStartMs.set(hostRef, content.agentStartMs)
    if (content.bootTimeMs !== undefined) this.#bootTimeMs.set(hostRef, content.bootTimeMs)
    this.#armCheck()
    switch (effect) {
      case 'return':
        presence.returned(hostRef, boot)
        break
      case 'toolstack restart':
        // a host that was disabled before stays disabled
        presence.returned(hostRef, { bootId: memory.bootId, ...boot, enable: memory.enabledBefore })
        break
      case 'alive':
        presence.heartbeatsResumed(hostRef)
        if (content.bootId !== undefined) presence.sameBoot(hostRef, content.bootId, content.bootTimeMs)
        if (content.agentStartMs !== undefined && content.agentStartMs !== agentStartBefore) {
          presence.toolstackRestarted(hostRef, content.agentStartMs)
        }
        break
      case 'alive with an order':
        presence.heartbeatsResumed(hostRef)
        break
      case 'still here':
        presence.stillHere(hostRef)
        break
      case 'none':
        break
      default:
        effect satisfies never
    }
  }

  #effectOf(hostRef: string, content: HeartbeatContent): HeartbeatEffect {
    const { toldAtMs, left } = this.#presence.memory(hostRef)
    const isSame = this.#isSameBoot(hostRef, content)
    // the hello of stock xapi has no boot, and means a return
    if (isSame === null ? content.kind === 'hello' : !isSame) return 'return'
    if (toldAtMs !== null && isSame === true && this.#presence.isOverdue(hostRef)) return 'still here'
    // a heartbeat in the last seconds of a boot is no return; the order stands until the host is back from another boot
    if (toldAtMs !== null) return isSame === true && !left ? 'alive with an order' : 'none'
    if (left)
      return content.kind === 'hello' || (isSame === true && this.#hasStayed(hostRef)) ? 'toolstack restart' : 'none'
    // only a boot id or boot time shows whether the host rebooted during the silence
    return isSame === true || this.#lastReceived.has(hostRef) ? 'alive' : 'none'
  }

  /** Whether the host reported its shutdown and still runs a minute later. Its order may have been cleared before that report. */
  #hasStayed(hostRef: string): boolean {
    const leftMs = this.#leftMs.get(hostRef)
    return leftMs !== undefined && this.#options.clock.steadyNow() - leftMs >= STILL_HERE_AFTER_MS
  }

  /**
   * Whether a heartbeat is of the known boot; `null` if it does not identify its boot. Compares boot ids if both are known: a clock
   * that was set looks like a reboot, which would end the claim of a host with an order. Otherwise compares boot times.
   */
  #isSameBoot(hostRef: string, { bootId, bootTimeMs }: HeartbeatContent): boolean | null {
    const before = this.#presence.memory(hostRef).bootId
    if (bootId !== undefined && before !== null) return bootId === before
    if (bootTimeMs === undefined) return null
    return isSameTime(bootTimeMs, this.#bootTimeMs.get(hostRef) ?? this.#presence.bootTimeMs(hostRef))
  }

  /**
   * The least time that a heartbeat was in transit: the host sent it `sinceAnswerMs` after it received the previous answer, and not
   * before the pool gave that answer. Otherwise a host that died meanwhile would count as live for that much longer.
   */
  #ageMs(hostRef: string, steadyMs: number, sinceAnswerMs: number | undefined): number {
    const answeredMs = this.#answeredMs.get(hostRef)
    if (sinceAnswerMs === undefined || answeredMs === undefined) return 0
    return Math.max(steadyMs - answeredMs - sinceAnswerMs, 0)
  }

  /** The last poll key of the agent of a host; `null` if there is none. */
  pollKey(hostRef: string): string | null {
    return this.#pollKeys.get(hostRef) ?? null
  }

  /** The time by the clock of a host; by the clock of the pool if the host has not sent its own. */
  hostNow(hostRef: string): number {
    return this.#options.clock.now() + (this.#clockAheadMs.get(hostRef) ?? 0)
  }

  /** The host reports its shutdown: a heartbeat with `shutting-down` (stock: mark_host_as_dead). */
  shutsDown(hostRef: string): void {
    this.#lastReceived.delete(hostRef)
    this.#leftMs.set(hostRef, this.#options.clock.steadyNow())
    this.#presence.left(hostRef)
  }

  close(): void {
    this.#cancelCheck?.()
    this.#cancelCheck = null
  }

  #check(): void {
    for (const [ref, last] of this.#lastReceived) {
      if (this.#silentForMs(last) < (this.#options.assumeDeadAfterMs ?? Number.POSITIVE_INFINITY)) continue
      this.#lastReceived.delete(ref)
      this.#presence.fellSilent(ref)
    }
    this.#armCheck()
  }

  #silentForMs({ atMs, steadyMs }: Moment): number {
    return Math.max(this.#options.clock.now() - atMs, this.#options.clock.steadyNow() - steadyMs)
  }

  /** Arms the next check for the moment at which the first host would be assumed dead. */
  #armCheck(): void {
    const { assumeDeadAfterMs, clock } = this.#options
    if (assumeDeadAfterMs === null || this.#cancelCheck !== null || this.#lastReceived.size === 0) return
    const longestMs = Math.max(...Array.from(this.#lastReceived.values(), last => this.#silentForMs(last)))
    const delayMs = Math.max(assumeDeadAfterMs - longestMs, 1)
    this.#cancelCheck = clock.after(delayMs, () => {
      this.#cancelCheck = null
      this.#check()
    })
  }
}
