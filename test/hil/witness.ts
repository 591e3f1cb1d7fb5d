import { setTimeout as pause } from 'node:timers/promises'
import type { Lab } from './lab.ts'

const LOOK_EVERY_MS = 500
/** How long the field may go on to allow what a kernel already forbids: agents and pool are emulated. */
const TOLD_GRACE_MS = 10_000
/** The same for a host that has gone without a word: DRBD and the heartbeats notice it only when it stays silent. */
const AWAY_GRACE_MS = 40_000

interface Danger {
  readonly what: string
  /** Those that must not go. */
  readonly hosts: readonly string[]
  readonly graceMs: number
}

/**
 * Watches a whole scenario through: that no host of a mirror may be rebooted while a kernel says that it is not in sync, or
 * while a host that should say so is away; and that the leave to reboot does not return before the kernels are done.
 */
export class Witness {
  readonly #lab: Lab
  readonly #complaints = new Set<string>()
  readonly #watching: Promise<void>
  #isOver = false
  #looks = 0
  /** Since when, by `performance.now()`, each of the dangers is there that were there at the last look. */
  #since = new Map<string, number>()
  #wereFree: readonly string[] | null = null

  constructor(lab: Lab) {
    this.#lab = lab
    this.#watching = this.#watch()
  }

  /** Ends the watch. @returns how often it looked @throws Error that says what it has seen */
  async dismiss(): Promise<number> {
    this.#isOver = true
    await this.#watching
    if (this.#complaints.size > 0) throw new Error([...this.#complaints].join('; '))
    return this.#looks
  }

  async #watch(): Promise<void> {
    while (!this.#isOver && !this.#lab.isClosed) {
      // The field first: kernels that are in sync afterwards may have come to it in between, but not the other way round.
      const free = await this.#lab.pool.mayReboot().catch(() => null)
      if (free !== null) this.#judge(free, await this.#dangers())
      await pause(LOOK_EVERY_MS)
    }
  }

  #judge(free: readonly string[], dangers: readonly Danger[]): void {
    this.#looks += 1
    const nowMs = performance.now()
    const before = this.#since
    this.#since = new Map(dangers.map(({ what }) => [what, before.get(what) ?? nowMs]))
    for (const { what, hosts, graceMs } of dangers) {
      const wrongly = free.filter(host => hosts.includes(host))
      // One that has begun since the last look may have begun after the field was read.
      const isAgain = before.has(what) && wrongly.some(host => this.#wereFree?.includes(host) === false)
      if (isAgain) this.#complaints.add(`${wrongly.join(' ')} may reboot again while ${what}`)
      else if (wrongly.length > 0 && nowMs - (before.get(what) ?? nowMs) > graceMs)
        this.#complaints.add(`${wrongly.join(' ')} may reboot ${graceMs} ms after ${what}`)
    }
    this.#wereFree = free
  }

  async #dangers(): Promise<readonly Danger[]> {
    const { drbd, md } = this.#lab.topology
    const looks = [
      ...drbd.flatMap(({ name, hosts }) =>
        hosts.map(host => dangerOf(name, host, hosts, () => this.#lab.isInSyncOn(host, name))),
      ),
      ...md.map(({ name, host, legOn }) => dangerOf(name, host, [host, legOn], () => this.#lab.array(name).isInSync())),
    ]
    return (await Promise.all(looks)).filter(danger => danger !== null)
  }
}

/** The danger that lies in what one host says of a mirror; `null`: there is none. */
async function dangerOf(
  mirror: string,
  host: string,
  hosts: readonly string[],
  isInSync: () => Promise<boolean>,
): Promise<Danger | null> {
  try {
    return (await isInSync()) ? null : { what: `${mirror} is not in sync on ${host}`, hosts, graceMs: TOLD_GRACE_MS }
  } catch {
    return { what: `${host} does not tell of ${mirror}`, hosts, graceMs: AWAY_GRACE_MS }
  }
}
