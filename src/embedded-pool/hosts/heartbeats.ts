import type { Clock } from '../../platform/time/clock.ts'
import type { Database } from '../database/database.ts'
import { type HostPresence, isSameTime, STILL_HERE_AFTER_MS } from './host-presence.ts'

/** Liveness by heartbeat, for hosts that are real machines. */
export interface LivenessOptions {
  /** A host that has not been heard for so long is taken for dead. Stock: 10 min, with a heartbeat each 30 s. */
  readonly assumeDeadAfterMs: number
}

interface HeartbeatsOptions {
  /** `null`: no silence means anything. */
  readonly assumeDeadAfterMs: number | null
  readonly clock: Clock
}

/** The same moment by both clocks. */
interface Moment {
  readonly atMs: number
  readonly steadyMs: number
}

/** What a host says of itself with a heartbeat or a hello. */
export interface SignOfLife {
  readonly kind: 'hello' | 'heartbeat'
  /** Which boot of its kernel it is (/proc/sys/kernel/random/boot_id): no clock is in it. */
  readonly bootId?: string
  /** When its kernel started, by its own clock. */
  readonly bootTimeMs?: number
  /** When its toolstack started. */
  readonly agentStartMs?: number
  /** What its clock says now. */
  readonly nowMs?: number
  /** With which its agent proves its answers to polls (poll-proof/index.ts). */
  readonly pollKey?: string
  /** How long ago, by a steady clock, it had received the answer to its sign of life before this one. */
  readonly sinceAnswerMs?: number
}

/** What a sign of life means for what the pool knows of the host. */
type Meaning = 'return' | 'toolstack start' | 'life' | 'life after an order' | 'still here' | 'nothing'

/**
 * Pool.hello and host.tickle_heartbeat: which hosts are live, by what is heard of them.
 *
 * Level, not edge: each look compares the last sign of life of every host with the clock. Without `assumeDeadAfterMs` no
 * silence means anything. With it, a host that was not heard in this run is not live.
 *
 * Silence is as long as the longer of two clocks says: one that is set back would keep a dead host live, and the steady one may
 * stand while the machine is suspended.
 */
export class Heartbeats {
  readonly #db: Database
  readonly #presence: HostPresence
  readonly #options: HeartbeatsOptions
  readonly #lastHeard = new Map<string, Moment>()
  /** As each host told it last; compared with the next one, so that a clock that drifts never adds up to another boot. */
  readonly #bootTimeMs = new Map<string, number>()
  /** As each host told it last: what it goes on saying takes back nothing that host.restart_agent has written since. */
  readonly #agentStartMs = new Map<string, number>()
  /** How far the clock of each host was ahead of the pool's when it was heard last. */
  readonly #clockAheadMs = new Map<string, number>()
  /** When the last sign of life of each host was answered, by the steady clock. */
  readonly #answeredMs = new Map<string, number>()
  /** When each host said that it goes, by the steady clock. */
  readonly #leftMs = new Map<string, number>()
  /** By which an answer to a poll is known to be of a host's agent. Never in a record: clients read those. */
  readonly #pollKeys = new Map<string, string>()
  #cancelLook: (() => void) | null = null

  constructor(db: Database, presence: HostPresence, options: HeartbeatsOptions) {
    this.#db = db
    this.#presence = presence
    this.#options = options
    db.subscribe(({ cls, ref, operation }) => {
      if (cls !== 'host' || operation !== 'del') return
      this.#lastHeard.delete(ref)
      this.#bootTimeMs.delete(ref)
      this.#agentStartMs.delete(ref)
      this.#clockAheadMs.delete(ref)
      this.#pollKeys.delete(ref)
      this.#answeredMs.delete(ref)
      this.#leftMs.delete(ref)
    })
  }

  /** Nobody has been heard yet: with liveness by heartbeat nobody is live. */
  start(): void {
    if (this.#options.assumeDeadAfterMs === null) return
    for (const [ref] of this.#db.list('host')) this.#presence.fellSilent(ref)
  }

  heard(hostRef: string, sign: SignOfLife): void {
    const { kind: _, nowMs: __, pollKey, sinceAnswerMs, ...told } = sign
    const atMs = this.#options.clock.now()
    const steadyMs = this.#options.clock.steadyNow()
    const ageMs = this.#ageMs(hostRef, steadyMs, sinceAnswerMs)
    this.#answeredMs.set(hostRef, steadyMs)
    // It has been on its way for so long that its host may have died since.
    if (ageMs >= (this.#options.assumeDeadAfterMs ?? Number.POSITIVE_INFINITY)) return
    const presence = this.#presence
    const memory = presence.memory(hostRef)
    const agentStartBefore = this.#agentStartMs.get(hostRef)
    const meaning = this.#meaningOf(hostRef, sign)
    if (pollKey !== undefined) this.#pollKeys.set(hostRef, pollKey)
    // An agent that greets without a key is another one than the agent that has handed one over.
    else if (sign.kind === 'hello') this.#pollKeys.delete(hostRef)
    this.#lastHeard.set(hostRef, { atMs: atMs - ageMs, steadyMs: steadyMs - ageMs })
    if (sign.nowMs !== undefined) this.#clockAheadMs.set(hostRef, sign.nowMs - atMs)
    if (sign.agentStartMs !== undefined) this.#agentStartMs.set(hostRef, sign.agentStartMs)
    if (sign.bootTimeMs !== undefined) this.#bootTimeMs.set(hostRef, sign.bootTimeMs)
    this.#armLook()
    switch (meaning) {
      case 'return':
        presence.returned(hostRef, told)
        break
      case 'toolstack start':
        // whoever disabled the host before still means it
        presence.returned(hostRef, { bootId: memory.bootId, ...told, enable: memory.enabledBefore })
        break
      case 'life':
        presence.heardAgain(hostRef)
        if (sign.bootId !== undefined) presence.sameBoot(hostRef, sign.bootId, sign.bootTimeMs)
        if (sign.agentStartMs !== undefined && sign.agentStartMs !== agentStartBefore) {
          presence.toolstackRestarted(hostRef, sign.agentStartMs)
        }
        break
      case 'life after an order':
        presence.heardAgain(hostRef)
        break
      case 'still here':
        presence.stillHere(hostRef)
        break
      case 'nothing':
        break
      default:
        meaning satisfies never
    }
  }

  #meaningOf(hostRef: string, sign: SignOfLife): Meaning {
    const { toldAtMs, left } = this.#presence.memory(hostRef)
    const isSame = this.#isSameBoot(hostRef, sign)
    // stock's hello says nothing of the boot, and means a return
    if (isSame === null ? sign.kind === 'hello' : !isSame) return 'return'
    if (toldAtMs !== null && isSame === true && this.#presence.isOverdue(hostRef)) return 'still here'
    // the last seconds of a boot are no return; the order stands until the host is back from another one
    if (toldAtMs !== null) return isSame === true && !left ? 'life after an order' : 'nothing'
    if (left)
      return sign.kind === 'hello' || (isSame === true && this.#hasStayed(hostRef)) ? 'toolstack start' : 'nothing'
    // whether it rebooted while nobody heard it, only a boot can tell
    return isSame === true || this.#lastHeard.has(hostRef) ? 'life' : 'nothing'
  }

  /** It said that it goes, and is still here. Its order may have been cleared before it said so: nothing else would end that. */
  #hasStayed(hostRef: string): boolean {
    const leftMs = this.#leftMs.get(hostRef)
    return leftMs !== undefined && this.#options.clock.steadyNow() - leftMs >= STILL_HERE_AFTER_MS
  }

  /**
   * `null`: it does not say. By the id of the boot where both are known, for a clock that was set passes for a reboot, which
   * would end the claim of a host that was told to go; else by when it began.
   */
  #isSameBoot(hostRef: string, { bootId, bootTimeMs }: SignOfLife): boolean | null {
    const before = this.#presence.memory(hostRef).bootId
    if (bootId !== undefined && before !== null) return bootId === before
    if (bootTimeMs === undefined) return null
    return isSameTime(bootTimeMs, this.#bootTimeMs.get(hostRef) ?? this.#presence.bootTimeMs(hostRef))
  }

  /**
   * How long a sign of life was on its way, as far as that can be told: it was sent no sooner than the answer before it was given,
   * and as long after that as its host says. A host that died meanwhile would otherwise be live for as much longer.
   */
  #ageMs(hostRef: string, steadyMs: number, sinceAnswerMs: number | undefined): number {
    const answeredMs = this.#answeredMs.get(hostRef)
    if (sinceAnswerMs === undefined || answeredMs === undefined) return 0
    return Math.max(steadyMs - answeredMs - sinceAnswerMs, 0)
  }

  /** The key that a host's agent handed over last; `null`: none. */
  pollKey(hostRef: string): string | null {
    return this.#pollKeys.get(hostRef) ?? null
  }

  /** What the clock of a host says: that of the pool where the host has not said. */
  hostNow(hostRef: string): number {
    return this.#options.clock.now() + (this.#clockAheadMs.get(hostRef) ?? 0)
  }

  /** It says itself that it goes: a heartbeat with `shutting-down` (stock: mark_host_as_dead). */
  goes(hostRef: string): void {
    this.#lastHeard.delete(hostRef)
    this.#leftMs.set(hostRef, this.#options.clock.steadyNow())
    this.#presence.left(hostRef)
  }

  close(): void {
    this.#cancelLook?.()
    this.#cancelLook = null
  }

  #look(): void {
    for (const [ref, heard] of this.#lastHeard) {
      if (this.#silentForMs(heard) < (this.#options.assumeDeadAfterMs ?? Number.POSITIVE_INFINITY)) continue
      this.#lastHeard.delete(ref)
      this.#presence.fellSilent(ref)
    }
    this.#armLook()
  }

  #silentForMs({ atMs, steadyMs }: Moment): number {
    return Math.max(this.#options.clock.now() - atMs, this.#options.clock.steadyNow() - steadyMs)
  }

  /** At the moment at which the first of them would be taken for dead. */
  #armLook(): void {
    const { assumeDeadAfterMs, clock } = this.#options
    if (assumeDeadAfterMs === null || this.#cancelLook !== null || this.#lastHeard.size === 0) return
    const longestMs = Math.max(...Array.from(this.#lastHeard.values(), heard => this.#silentForMs(heard)))
    const delayMs = Math.max(assumeDeadAfterMs - longestMs, 1)
    this.#cancelLook = clock.after(delayMs, () => {
      this.#cancelLook = null
      this.#look()
    })
  }
}
