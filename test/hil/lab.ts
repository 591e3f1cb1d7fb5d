import { join } from 'node:path'
import { figures } from '../metrics/parse-exposition.ts'
import { ArrayOverHosts } from './array-over-hosts.ts'
import type { Guest, GuestParts } from './guest.ts'
import { diskOfArray, PASSWORD, PORTS } from './host-files.ts'
import { type DrbdTruth, isInSync, readProcDrbd } from './kernel-truth.ts'
import { sumOfDisk } from './known-data.ts'
import { makeGuest } from './make-guest.ts'
import { PoolClient } from './pool-client.ts'
import { Switch } from './switch.ts'
import type { DrbdPlan, Topology } from './topology.ts'
import { until } from './until.ts'

/** Enough for emulated machines on a busy host. */
const DEADLINE_MS = 90_000
const RESET_DEADLINE_MS = 240_000
const SCRAPE_TIMEOUT_MS = 10_000

type Daemon = 'agent' | 'updater'

/** A pool of guests, on which scenarios run. */
export class Lab {
  readonly topology: Topology
  readonly pool: PoolClient
  /** Directory of the guests' logs and shares, by name of the guest. */
  readonly directory: string
  /** Prints a measured value. */
  readonly note: (text: string) => void
  readonly #switch: Switch
  readonly #guests: ReadonlyMap<string, Guest>
  #isClosed = false
  readonly #arrays: ReadonlyMap<string, ArrayOverHosts>

  private constructor(
    topology: Topology,
    directory: string,
    note: (text: string) => void,
    wires: Switch,
    guests: readonly Guest[],
  ) {
    this.topology = topology
    this.directory = directory
    this.note = note
    this.#switch = wires
    this.#guests = new Map(guests.map(guest => [guest.name, guest]))
    this.#arrays = new Map(
      topology.md.map(plan => {
        const disks = {
          home: diskOfArray(topology, plan.host, plan),
          far: diskOfArray(topology, plan.legOn, plan),
        }
        return [plan.name, new ArrayOverHosts(plan, this.host(plan.host), this.host(plan.legOn), disks)]
      }),
    )
    this.pool = this.newSession()
  }

  /**
   * Boots all hosts, makes their mirrors, and waits until the pool allows the reboot of every host.
   * @throws NotInTime, ShellFailure
   */
  static async boot(
    parts: GuestParts,
    topology: Topology,
    directory: string,
    note: (text: string) => void,
  ): Promise<Lab> {
    const wires = new Switch()
    const guests = []
    for (const name of topology.hosts) guests.push(await makeGuest(parts, topology, name, join(directory, name), wires))
    const lab = new Lab(topology, directory, note, wires, guests)
    try {
      const began = performance.now()
      await Promise.all(guests.map(guest => guest.start()))
      note(`booted: ${guests.map(guest => `${guest.name} ${guest.bootSeconds.toFixed(1)} s`).join(', ')}`)
      for (const plan of topology.drbd) await lab.makeMirror(plan.name, 'declared-in-sync')
      for (const guest of guests) guest.withhold('10-drbd', false)
      for (const array of lab.#arrays.values()) await array.make()
      await lab.reset()
      note(`pool ready after ${((performance.now() - began) / 1000).toFixed(1)} s, ${lab.memory()}`)
      return lab
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  /** The hosts are gone; monitors end. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  get hosts(): readonly Guest[] {
    return [...this.#guests.values()]
  }

  host(name: string): Guest {
    const guest = this.#guests.get(name)
    if (guest === undefined) throw new Error(`there is no host ${name} in the topology ${this.topology.name}`)
    return guest
  }

  /** Another client of the pool, with its own session. */
  newSession(): PoolClient {
    return new PoolClient(`http://127.0.0.1:${this.host(this.topology.hosts[0]).reach(PORTS.xapi)}`, PASSWORD)
  }

  array(name: string): ArrayOverHosts {
    const array = this.#arrays.get(name)
    if (array === undefined) throw new Error(`there is no array ${name} in the topology ${this.topology.name}`)
    return array
  }

  /** Cuts the link between two hosts, or all links of one. Frames are dropped silently. */
  cut(name: string, other?: string): void {
    this.#switch.cut(name, other)
  }

  /** Undoes one cut, or all cuts. */
  restore(name?: string, other?: string): void {
    this.#switch.restore(name, other)
  }

  /** Repeats `look` until it returns something other than `null`, `undefined` or `false`. @throws NotInTime */
  async until<T>(what: string, look: () => T | Promise<T>, deadlineMs = DEADLINE_MS) {
    return until(what, look, deadlineMs)
  }

  /** A host's kernel state of a mirror. @throws ShellFailure; Error if the kernel has no such volume */
  async drbd(host: string, resource: string): Promise<DrbdTruth> {
    const truth = readProcDrbd(await this.host(host).sh('cat /proc/drbd')).get(this.#plan(resource).minor)
    if (truth === undefined) throw new Error(`${host} shows no ${resource}`)
    return truth
  }

  /** Whether a host's kernel regards both sides of a mirror as current. */
  async isInSyncOn(host: string, resource: string): Promise<boolean> {
    return isInSync(await this.drbd(host, resource))
  }

  /** Whether the kernels of both sides regard a mirror as in sync. */
  async isInSync(resource: string): Promise<boolean> {
    const inSync = await Promise.all(this.#plan(resource).hosts.map(host => this.isInSyncOn(host, resource)))
    return inSync.every(Boolean)
  }

  /** The values of a metric of a host's daemon, by label values. */
  async metric(host: string, daemon: Daemon, name: string): Promise<Readonly<Record<string, number>>> {
    const port = this.host(host).reach(daemon === 'agent' ? PORTS.agentMetrics : PORTS.updaterMetrics)
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS) })
    return figures(await answer.text(), name)
  }

  /**
   * Recreates a mirror on both sides and erases its data. `declared-in-sync` copies nothing; `full-sync` begins to copy all of it from the
   * first side.
   */
  async makeMirror(resource: string, how: 'declared-in-sync' | 'full-sync'): Promise<void> {
    const { hosts } = this.#plan(resource)
    const make = `modprobe drbd; drbdadm down ${resource}; drbdadm create-md --force ${resource} && drbdadm up ${resource} && hil-record`
    await Promise.all(hosts.map(host => this.host(host).sh(make)))
    await this.until(
      `${resource} is connected`,
      async () => (await this.drbd(hosts[0], resource)).connection === 'Connected',
    )
    const begin =
      how === 'full-sync'
        ? `drbdadm primary --force ${resource}`
        : `drbdadm -- --clear-bitmap new-current-uuid ${resource}`
    await this.host(hosts[0]).sh(begin)
  }

  /** Writes new data to the beginning of a mirror, through the kernel of a primary host. */
  async write(host: string, resource: string, sizeMiB: number): Promise<void> {
    const device = `/dev/drbd${this.#plan(resource).minor}`
    await this.host(host).sh(`dd if=/dev/urandom of=${device} bs=1M count=${sizeMiB} oflag=direct conv=notrunc 2>&1`, {
      timeoutMs: DEADLINE_MS,
    })
  }

  /** Lets a primary host write to a mirror until the returned function is called. */
  async keepWriting(host: string, resource: string): Promise<() => Promise<unknown>> {
    const { minor, sizeMiB } = this.#plan(resource)
    const guest = this.host(host)
    await guest.sh(
      `setsid hil-write /dev/drbd${minor} ${sizeMiB - 2} </dev/null >/dev/null 2>&1 & echo $! >/run/hil/write-${resource}.pid`,
    )
    return () => guest.try(`kill "$(cat /run/hil/write-${resource}.pid)"`)
  }

  /** Compares the disks below a mirror on both sides byte by byte, without DRBD. */
  async disksAreEqual(resource: string): Promise<boolean> {
    const { hosts, sizeMiB } = this.#plan(resource)
    // DRBD's metadata at the end differs.
    const sums = await Promise.all(hosts.map(host => sumOfDisk(this, host, resource, sizeMiB - 1)))
    return new Set(sums).size === 1
  }

  /** Starts a daemon on a host if it does not run. */
  async startDaemon(host: string, daemon: Daemon): Promise<void> {
    await this.host(host).sh(`sh /etc/rc.d/${daemon === 'agent' ? '50-agent' : '40-updater'}`)
  }

  /** Kills a daemon on a host. */
  async killDaemon(host: string, daemon: Daemon, signal: 'KILL' | 'TERM' = 'KILL'): Promise<void> {
    const untilGone = signal === 'KILL' ? '; while [ -e /proc/$pid/exe ]; do sleep 0.05; done' : ''
    await this.host(host).sh(`pid=$(cat /run/hil/${daemon}.pid) && kill -${signal} $pid${untilGone}`)
  }

  /**
   * Restores the initial state of scenarios: links connected, hosts and daemons up, mirrors in sync, every host in maintenance and
   * allowed to reboot. @throws NotInTime
   */
  async reset(): Promise<void> {
    this.restore()
    for (const guest of this.hosts) {
      if (guest.power !== 'on') guest.powerOn()
      await guest.ready()
      await this.startDaemon(guest.name, 'agent')
    }
    await this.startDaemon(this.topology.hosts[0], 'updater')
    for (const { name } of this.topology.drbd)
      await this.until(`${name} is in sync`, () => this.isInSync(name), RESET_DEADLINE_MS)
    for (const [name, array] of this.#arrays)
      await this.until(`${name} is in sync`, () => array.isInSync(), RESET_DEADLINE_MS)
    await this.allMayReboot(RESET_DEADLINE_MS)
  }

  /** Puts all hosts into maintenance and waits until the pool allows the reboot of every one. @throws NotInTime */
  async allMayReboot(deadlineMs = DEADLINE_MS): Promise<void> {
    const all = this.topology.hosts.toSorted().join(' ')
    const look = async () => {
      await this.pool.disableAll()
      return (await this.pool.mayReboot()).join(' ') === all || Promise.reject(new Error(await this.#whyNot()))
    }
    await this.until('every host may reboot', look, deadlineMs)
  }

  /** Resident memory of each guest's qemu. */
  memory(): string {
    return this.hosts.map(guest => `${guest.name} ${guest.residentMiB} MiB`).join(', ')
  }

  /** Cuts the power of all hosts. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.hosts.map(guest => guest.cutPower()))
    this.#switch.close()
  }

  async #whyNot(): Promise<string> {
    const [allowed, reports] = [
      await this.pool.mayReboot(),
      await Promise.all(this.topology.srs.map(sr => this.pool.reports(sr.uuid))),
    ]
    const states = reports
      .flatMap(each => Object.entries(each))
      .map(([host, report]) => `${host}: ${report?.state ?? 'no report'}`)
    return `allowed: ${allowed.join(' ') || 'no host'}; ${states.join(', ')}`
  }

  #plan(resource: string): DrbdPlan {
    const plan = this.topology.drbd.find(({ name }) => name === resource)
    if (plan === undefined) throw new Error(`there is no mirror ${resource} in the topology ${this.topology.name}`)
    return plan
  }
}
