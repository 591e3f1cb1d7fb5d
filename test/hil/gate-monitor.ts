import { setTimeout as pause } from 'node:timers/promises'
import type { Lab } from './lab.ts'

const CHECK_EVERY_MS = 500
/** Time in which the pool must block after a kernel is out of sync; agents and pool are emulated. */
const REPORT_GRACE_MS = 10_000
/** The same for a host that vanished: DRBD and the heartbeats notice it only by silence. */
const AWAY_GRACE_MS = 40_000

interface Danger {
  readonly what: string
  /** The hosts that must not reboot. */
  readonly hosts: readonly string[]
  readonly graceMs: number
}

/**
 * Checks during a whole scenario that no host of a mirror may reboot while a kernel reports it out of sync or one of its hosts is away,
 * and that `reboot` does not return before the kernels are in sync.
 */
export class GateMonitor {
  readonly #lab: Lab
  readonly #complaints = new Set<string>()
  readonly #watching: Promise<void>
  #isOver = false
  #checks = 0
  /** Start of each danger that the last check found, by `performance.now()`. */
  #since = new Map<string, number>()
  #wereFree: readonly string[] | null = null

  constructor(lab: Lab) {
    this.#lab = lab
    this.#watching = this.#watch()
  }

  /** Ends the checks. @returns their number @throws Error with every violation */
  async stop(): Promise<number> {
    this.#isOver = true
    await this.#watching
    if (this.#complaints.size > 0) throw new Error([...this.#complaints].join('; '))
    return this.#checks
  }

  async #watch(): Promise<void> {
    while (!this.#isOver && !this.#lab.isClosed) {
      // Read the field first: a kernel that is in sync afterwards may have become so in between, which is harmless.
      const free = await this.#lab.pool.mayReboot().catch(() => null)
      if (free !== null) this.#judge(free, await this.#dangers())
      await pause(CHECK_EVERY_MS)
    }
  }

  #judge(free: readonly string[], dangers: readonly Danger[]): void {
    this.#checks += 1
    const nowMs = performance.now()
    const before = this.#since
    this.#since = new Map(dangers.map(({ what }) => [what, before.get(what) ?? nowMs]))
    for (const { what, hosts, graceMs } of dangers) {
      const wrongly = free.filter(host => hosts.includes(host))
      // A danger that is new since the last check may have begun after the field was read.
      const isAgain = before.has(what) && wrongly.some(host => this.#wereFree?.includes(host) === false)
      if (isAgain) this.#complaints.add(`${wrongly.join(' ')} may reboot again while ${what}`)
      else if (wrongly.length > 0 && nowMs - (before.get(what) ?? nowMs) > graceMs)
        this.#complaints.add(`${wrongly.join(' ')} may reboot ${graceMs} ms after ${what}`)
    }
    this.#wereFree = free
  }

  async #dangers(): Promise<readonly Danger[]> {
    const { drbd, md } = this.#lab.topology
    const checks = [
      ...drbd.flatMap(({ name, hosts }) =>
        hosts.map(host => dangerOf(name, host, hosts, () => this.#lab.isInSyncOn(host, name))),
      ),
      ...md.map(({ name, host, legOn }) => dangerOf(name, host, [host, legOn], () => this.#lab.array(name).isInSync())),
    ]
    return (await Promise.all(checks)).filter(danger => danger !== null)
  }
}

/** The danger by one host's state of a mirror; `null`: none. */
async function dangerOf(
  mirror: string,
  host: string,
  hosts: readonly string[],
  isInSync: () => Promise<boolean>,
): Promise<Danger | null> {
  try {
    return (await isInSync()) ? null : { what: `${mirror} is not in sync on ${host}`, hosts, graceMs: REPORT_GRACE_MS }
  } catch {
    return { what: `${host} does not show ${mirror}`, hosts, graceMs: AWAY_GRACE_MS }
  }
}
