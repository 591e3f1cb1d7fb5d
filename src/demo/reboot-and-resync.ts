import { machineClock, sleep } from '../platform/time/clock.ts'
import type { SyncState } from '../sync-query/state.ts'
import type { Transition } from '../sync-query/transition.ts'
import type { OperationsChange } from '../updater/decision-events.ts'
import type { DemoOutput } from './demo-output.ts'
import { operateHost } from './operate-host.ts'
import type { DemoPool, PoolListener } from './pool.ts'

const DEADLINE_MS = 120_000
const CHECK_EVERY_MS = 10

/** Records what the pool reports during the scenario, and every violation of its rule. */
export class ScenarioState implements PoolListener {
  readonly #states: Map<string, SyncState>
  readonly #allowed = new Map<string, ReadonlySet<string>>()
  readonly #finished = new Set<string>()
  /** The host that reboots. Until it and its peers are in sync, every host must be blocked. */
  #rebooting: string | null = null
  readonly violations: string[] = []

  constructor(hostnames: readonly string[]) {
    this.#states = new Map(hostnames.map(hostname => [hostname, 'unknown']))
  }

  transition(hostname: string, { kind, to }: Transition): void {
    this.#states.set(hostname, to)
    if (kind === 'resync-finished') this.#finished.add(hostname)
  }

  operations(hostname: string, { allowed }: OperationsChange): void {
    this.#allowed.set(hostname, new Set(allowed))
    this.#check()
  }

  rebootBegins(hostname: string): void {
    this.#rebooting = hostname
  }

  rebootEnds(): void {
    this.#rebooting = null
  }

  allInSync(): boolean {
    return [...this.#states.values()].every(state => state === 'synced')
  }

  state(hostname: string): SyncState {
    return this.#states.get(hostname) ?? 'unknown'
  }

  finishedResync(hostname: string): boolean {
    return this.#finished.has(hostname)
  }

  mayGoDown(hostname: string): boolean {
    const allowed = this.#allowed.get(hostname)
    return allowed?.has('reboot') === true && allowed.has('shutdown')
  }

  /** No host may be offered a reboot while a host is down or not in sync. */
  #check(): void {
    if (this.#rebooting === null || this.allInSync()) return
    for (const [hostname, allowed] of this.#allowed) {
      if (!allowed.has('reboot') && !allowed.has('shutdown')) continue
      this.violations.push(`${hostname} was offered a reboot while ${this.#rebooting} was down or not in sync`)
    }
  }
}

/**
 * Reboots one host, and checks that all hosts are blocked until its resync has finished. Prints each step and each failure.
 * @returns whether everything was as expected
 */
export async function playRebootAndResync(pool: DemoPool, output: DemoOutput, state: ScenarioState): Promise<boolean> {
  const deadline = Date.now() + DEADLINE_MS
  const failures: string[] = []
  const until = async (what: string, isReached: () => boolean) => {
    while (!isReached()) {
      if (Date.now() > deadline) {
        failures.push(`not reached in ${DEADLINE_MS / 1000} s: ${what}`)
        return
      }
      await sleep(machineClock, CHECK_EVERY_MS)
    }
    output.note(what, { reached: true })
  }
  const { hosts } = pool
  const [, other, rebooting] = hosts
  if (other === undefined || rebooting === undefined) throw new Error('the scenario needs three hosts')
  const expectRefusal = async (when: string) => {
    const code = await operateHost(pool, output, other, 'reboot')
    if (code !== 'CLUSTERED_SR_DEGRADED')
      failures.push(`a second reboot ${when} was answered with ${code ?? 'success'}`)
  }

  await until('all hosts are in sync, and each of them may go down', () =>
    hosts.every(({ hostname }) => state.mayGoDown(hostname)),
  )
  state.rebootBegins(rebooting.hostname)
  const error = await operateHost(pool, output, rebooting, 'reboot')
  if (error !== null) failures.push(`the first reboot was refused: ${error}`)
  await expectRefusal('at the same moment')
  await until('no host may go down', () => hosts.every(({ hostname }) => !state.mayGoDown(hostname)))
  await until(`${rebooting.hostname} is back and resyncs`, () => state.state(rebooting.hostname) === 'resyncing')
  await expectRefusal('during the resync')
  await until('all hosts are in sync', () => state.allInSync())
  if (!state.finishedResync(rebooting.hostname))
    failures.push(`${rebooting.hostname} did not report the end of its resync`)
  await until('each of them may go down again', () => hosts.every(({ hostname }) => state.mayGoDown(hostname)))
  state.rebootEnds()
  failures.push(...state.violations)
  for (const failure of failures) output.note(failure, { failed: true })
  const ok = failures.length === 0
  output.note(ok ? 'the scenario ended as expected' : 'the scenario did not end as expected', { end: true, ok })
  return ok
}
