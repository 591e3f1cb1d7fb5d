import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { GoingDown } from '../embedded-pool/hosts/host-memory.ts'
import type { HostMachines } from '../embedded-pool/hosts/host-operation-gate.ts'
import { castingOf, castRoles, RECORDED_HOSTS, type RecordedHost } from './casting.ts'
import type { Machine } from './machine.ts'
import type { Story } from './stand-in/stage.ts'

const SCENARIO = fileURLToPath(new URL('../../scenarios/reboot-and-resync', import.meta.url))

/** What the scenario's recordings are about (scenarios/reboot-and-resync/README.md). */
export const CONFIGURATION = join(SCENARIO, 'mesh.res')
const RESOURCES = ['mesh0', 'mesh1'] as const
const LEAVES_AT = Date.parse('2026-11-22T16:20:28.000Z')
const RETURNS_AT = Date.parse('2026-11-22T16:21:13.900Z')
const ENDS_AT = Date.parse('2026-11-22T16:21:31.000Z')
/** From the order to the moment at which the toolstack no longer sees the host; stock's shutdown takes ten and more. */
const GOING_DOWN_MS = 4000

export interface Actor {
  readonly hostname: string
  /** Ref in the pool. */
  readonly ref: string
  readonly machine: Machine
}

export interface DirectorOptions {
  readonly actors: readonly Actor[]
  /** 1: as recorded. */
  readonly speed: number
  readonly hostLeft: (ref: string) => void
  readonly hostReturned: (ref: string, boot: { readonly bootTimeMs: number }) => void
  readonly onBug: (bug: unknown) => void
}

/** Plays the recorded leave and return of a host whenever the pool tells one to go down. */
export class Director implements HostMachines {
  readonly #options: DirectorOptions
  readonly #timers = new Set<NodeJS.Timeout>()
  /** The acts of the last story, so that a stand-in that is started again can catch up. */
  #acts: readonly { readonly from: number; readonly until: number; readonly beginsAt: number; readonly id: number }[] =
    []
  #roles: Record<RecordedHost, string>
  #lastId = 0

  constructor(options: DirectorOptions) {
    this.#options = options
    this.#roles = this.#rolesFor(options.actors.at(-1)?.hostname ?? '')
  }

  /** Switches all machines on, in sync. */
  async begin(): Promise<void> {
    this.#stageAll()
    await Promise.all(this.#options.actors.map(({ machine }) => machine.boot()))
  }

  goDown(ref: string, how: GoingDown): void {
    const leaving = this.#actor(ref)
    this.#roles = this.#rolesFor(leaving.hostname)
    this.#acts = []
    this.#act(LEAVES_AT, RETURNS_AT)
    leaving.machine.halt().catch(this.#options.onBug)
    this.#later(GOING_DOWN_MS, () => this.#options.hostLeft(ref))
    if (how === 'reboot') this.#later(RETURNS_AT - LEAVES_AT, () => this.powerOn(ref))
  }

  powerOn(ref: string): void {
    this.#options.hostReturned(ref, { bootTimeMs: Date.now() })
    this.#return(ref).catch(this.#options.onBug)
  }

  /** What happens then begins when the host can see it: at high speed a slow start would miss the whole resync. */
  async #return(ref: string): Promise<void> {
    const played = this.#acts
    await this.#actor(ref).machine.boot()
    if (this.#acts === played) this.#act(RETURNS_AT, ENDS_AT)
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    await Promise.all(this.#options.actors.map(({ machine }) => machine.halt()))
  }

  #actor(ref: string): Actor {
    const actor = this.#options.actors.find(each => each.ref === ref)
    if (actor === undefined) throw new Error(`no machine stands behind host ${ref}`)
    return actor
  }

  #rolesFor(leaving: string): Record<RecordedHost, string> {
    return castRoles(
      this.#options.actors.map(({ hostname }) => hostname),
      leaving,
    )
  }

  #act(from: number, until: number): void {
    this.#lastId += 1
    this.#acts = [...this.#acts, { from, until, beginsAt: Date.now(), id: this.#lastId }]
    this.#stageAll()
  }

  #stageAll(): void {
    const { actors, speed } = this.#options
    const casting = castingOf(
      actors.map(({ hostname }) => hostname),
      this.#roles,
    )
    for (const { hostname, machine } of actors) {
      const role = RECORDED_HOSTS.find(recorded => this.#roles[recorded] === hostname) ?? 'alpha'
      const recording = join(SCENARIO, `${role}.events2.txt`)
      const stories = this.#acts.map(
        ({ from, until, beginsAt, id }): Story => ({
          id,
          recording,
          recordedFrom: from,
          recordedUntil: until,
          beginsAt,
          speed,
        }),
      )
      // The one that leaves comes back without anything: its dump is that of a host just booted.
      const dump =
        role === 'charlie' && stories.length === 0 ? join(SCENARIO, 'charlie.in-sync.events2.txt') : recording
      machine.perform({ dump, resources: RESOURCES, casting, stories })
    }
  }

  #later(recordedMs: number, what: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      what()
    }, recordedMs / this.#options.speed)
    this.#timers.add(timer)
  }
}
