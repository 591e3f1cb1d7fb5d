import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { GoingDown } from '../embedded-pool/hosts/host-memory.ts'
import type { HostMachines } from '../embedded-pool/hosts/host-operation-gate.ts'
import { machineClock } from '../platform/time/clock.ts'
import { assignRoles, type HostRoles, mappingOf, RECORDED_HOSTS } from './host-roles.ts'
import type { Machine } from './machine.ts'
import type { PlaybackPart } from './simulated-drbdsetup/playback.ts'

const SCENARIO = fileURLToPath(new URL('../../scenarios/reboot-and-resync', import.meta.url))

/** The DRBD configuration of the recordings (scenarios/reboot-and-resync/README.md). */
export const CONFIGURATION = join(SCENARIO, 'mesh.res')
const RESOURCES = ['mesh0', 'mesh1'] as const
const LEAVES_AT = Date.parse('2026-11-22T16:20:28.000Z')
const RETURNS_AT = Date.parse('2026-11-22T16:21:13.900Z')
const ENDS_AT = Date.parse('2026-11-22T16:21:31.000Z')
/** From the order until the toolstack no longer sees the host; a stock shutdown takes ten seconds and more. */
const GOING_DOWN_MS = 4000

export interface DemoHost {
  readonly hostname: string
  /** Ref in the pool. */
  readonly ref: string
  readonly uuid: string
  readonly machine: Machine
}

/** What the machines report to the pool. */
export interface PresenceOfHosts {
  hostLeft(ref: string): void
  hostReturned(ref: string, boot: { readonly bootTimeMs: number }): void
}

export interface RecordedMachinesOptions {
  /** 1: as recorded. */
  readonly speed: number
  readonly onBug: (bug: unknown) => void
}

/**
 * The machines behind the demo's pool. Whenever the pool orders a host to go down, they play the recorded reboot with that host as
 * the one that goes down and returns.
 */
export class RecordedMachines implements HostMachines {
  readonly #options: RecordedMachinesOptions
  readonly #cancels = new Set<() => void>()
  #hosts: readonly DemoHost[] = []
  #presence: PresenceOfHosts | null = null
  /** What was played since the last order, so that a simulated drbdsetup that starts later catches up. */
  #played: readonly Pick<PlaybackPart, 'recordedFrom' | 'recordedUntil' | 'beginsAt' | 'id'>[] = []
  #roles: HostRoles = assignRoles([], '')
  #lastId = 0

  constructor(options: RecordedMachinesOptions) {
    this.#options = options
  }

  get hosts(): readonly DemoHost[] {
    return this.#hosts
  }

  /** Switches all machines on, in sync. */
  async begin(hosts: readonly DemoHost[], presence: PresenceOfHosts): Promise<void> {
    this.#hosts = hosts
    this.#presence = presence
    this.#roles = this.#rolesFor(hosts.at(-1)?.hostname ?? '')
    this.#writePlaybacks()
    await Promise.all(hosts.map(({ machine }) => machine.boot()))
  }

  goDown(ref: string, how: GoingDown): void {
    const leaving = this.#host(ref)
    this.#roles = this.#rolesFor(leaving.hostname)
    this.#played = []
    this.#play(LEAVES_AT, RETURNS_AT)
    leaving.machine.halt().catch(this.#options.onBug)
    this.#later(GOING_DOWN_MS, () => this.#presence?.hostLeft(ref))
    if (how === 'reboot') this.#later(RETURNS_AT - LEAVES_AT, () => this.powerOn(ref))
  }

  powerOn(ref: string): void {
    this.#presence?.hostReturned(ref, { bootTimeMs: machineClock.now() })
    this.#return(ref).catch(this.#options.onBug)
  }

  /** The return is played once the agent has started: at high speed a slow start would miss the whole resync. */
  async #return(ref: string): Promise<void> {
    const played = this.#played
    await this.#host(ref).machine.boot()
    if (this.#played === played) this.#play(RETURNS_AT, ENDS_AT)
  }

  async close(): Promise<void> {
    for (const cancel of this.#cancels) cancel()
    await Promise.all(this.#hosts.map(({ machine }) => machine.halt()))
  }

  #host(ref: string): DemoHost {
    const host = this.#hosts.find(each => each.ref === ref)
    if (host === undefined) throw new Error(`host ${ref} has no machine`)
    return host
  }

  #rolesFor(leaving: string): HostRoles {
    return assignRoles(
      this.#hosts.map(({ hostname }) => hostname),
      leaving,
    )
  }

  #play(recordedFrom: number, recordedUntil: number): void {
    this.#lastId += 1
    this.#played = [...this.#played, { recordedFrom, recordedUntil, beginsAt: machineClock.now(), id: this.#lastId }]
    this.#writePlaybacks()
  }

  #writePlaybacks(): void {
    const mapping = mappingOf(
      this.#hosts.map(({ hostname }) => hostname),
      this.#roles,
    )
    for (const { hostname, machine } of this.#hosts) {
      const role = RECORDED_HOSTS.find(recorded => this.#roles[recorded] === hostname) ?? 'alpha'
      const recording = join(SCENARIO, `${role}.events2.txt`)
      const parts = this.#played.map(played => ({ ...played, recording, speed: this.#options.speed }))
      // The host that returns has no resources up: its initial dump is that of a host that has just booted.
      const dump = role === 'charlie' && parts.length === 0 ? join(SCENARIO, 'charlie.in-sync.events2.txt') : recording
      machine.play({ dump, resources: RESOURCES, mapping, parts })
    }
  }

  #later(recordedMs: number, action: () => void): void {
    const cancel = machineClock.after(recordedMs / this.#options.speed, () => {
      this.#cancels.delete(cancel)
      action()
    })
    this.#cancels.add(cancel)
  }
}
