import { setTimeout as sleep } from 'node:timers/promises'
import type { Transition } from '../sync-query/sr-state/transition.ts'
import type { SyncState } from '../sync-query/state.ts'
import type { OperationsChange } from '../updater/decision-events.ts'
import type { Account } from './account.ts'
import { operate } from './demo.ts'
import type { DemoPool } from './pool.ts'

const DEADLINE_MS = 120_000
const LOOK_EVERY_MS = 10

/** What has happened, as the witness of the pool saw it: the story is judged by this. */
export class Story {
  readonly #states: Map<string, SyncState>
  readonly #allowed = new Map<string, ReadonlySet<string>>()
  readonly #finished = new Set<string>()
  /** The host that is on its way down or back, and so is to block all reboots until it and its peers are in sync. */
  #away: string | null = null
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
    this.#look()
  }

  left(hostname: string): void {
    this.#away = hostname
  }

  returned(): void {
    this.#away = null
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

  mayGo(hostname: string): boolean {
    const allowed = this.#allowed.get(hostname)
    return allowed?.has('reboot') === true && allowed.has('shutdown')
  }

  /** Nobody may be offered a reboot while a host is away or not in sync. */
  #look(): void {
    for (const [hostname, allowed] of this.#allowed) {
      if (!allowed.has('reboot') && !allowed.has('shutdown')) continue
      if (this.#away !== null && !this.allInSync()) {
        this.violations.push(`${hostname} was offered a reboot while ${this.#away} was away or not in sync`)
      }
    }
  }
}

/**
 * One host reboots, the others are blocked until its resync is over. Returns whether it ended as it must, and tells every
 * point that did not.
 */
export async function tellRebootAndResync(pool: DemoPool, account: Account, story: Story): Promise<boolean> {
  const deadline = Date.now() + DEADLINE_MS
  const failures: string[] = []
  const until = async (what: string, isSo: () => boolean) => {
    while (!isSo()) {
      if (Date.now() > deadline) {
        failures.push(`never came about: ${what}`)
        return
      }
      await sleep(LOOK_EVERY_MS)
    }
    account.note(what, { reached: true })
  }
  const { hosts } = pool
  const [, other, leaving] = hosts
  if (other === undefined || leaving === undefined) throw new Error('the story needs three hosts')
  const refused = async (when: string) => {
    const code = await operate(pool, account, other, 'reboot')
    if (code !== 'CLUSTERED_SR_DEGRADED')
      failures.push(`a second reboot ${when} was answered with ${code ?? 'success'}`)
  }

  await until('all hosts are in sync and each of them may go down', () =>
    hosts.every(({ hostname }) => story.mayGo(hostname)),
  )
  story.left(leaving.hostname)
  const error = await operate(pool, account, leaving, 'reboot')
  if (error !== null) failures.push(`the first reboot was refused: ${error}`)
  await refused('in the same instant')
  await until('no host may go down', () => hosts.every(({ hostname }) => !story.mayGo(hostname)))
  await until(`${leaving.hostname} is back and resynchronises`, () => story.state(leaving.hostname) === 'resyncing')
  await refused('during the resync')
  await until('all hosts are in sync', () => story.allInSync())
  if (!story.finishedResync(leaving.hostname)) failures.push(`no end of a resync was seen on ${leaving.hostname}`)
  await until('each of them may go down again', () => hosts.every(({ hostname }) => story.mayGo(hostname)))
  story.returned()
  failures.push(...story.violations)
  for (const failure of failures) account.note(failure, { failed: true })
  const ok = failures.length === 0
  account.note(ok ? 'the story ended as it must' : 'the story did not end as it must', { end: true, ok })
  return ok
}
