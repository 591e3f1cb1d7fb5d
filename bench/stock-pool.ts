/**
 * Measures the guard of a pool of unmodified toolstacks, over the unix socket of the coordinator.
 *
 *     stock-pool.ts [--hosts 64] [--rounds 100] [--races 25] [--idle-seconds 30]
 *
 * - The time from the acceptance of a reboot to the Task that blocks all others, and to `host.allowed_operations` of all disabled hosts.
 *   With more than one disabled host, a reservation lets one of them go.
 * - Two clients that begin at the same moment: each disables its own host, waits, and reboots it. The figure is the number of races in
 *   which both reboots were accepted; `one` and `none` count the others.
 * - The CPU time of the guard while nothing happens in the pool, apart from its polls every 30 s.
 *
 * The guard runs in its own process. The toolstack is the embedded pool, which answers a call faster than a busy xapi does.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { GuardedStockPool, runGuard } from './guarded-stock-pool.ts'
import { measureInProcesses } from './measuring-process.ts'

/** Hosts that are disabled at the moment of the reboot, together with the one that reboots. */
const DISABLED = [1, 8] as const
const GAPS_MS = [0, 20, 50, 100] as const
const WARM_UP_ROUNDS = 3

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '100' },
    races: { type: 'string', default: '25' },
    'idle-seconds': { type: 'string', default: '30' },
    measure: { type: 'boolean', default: false },
    guard: { type: 'string' },
  },
})

function print(figure: string, value: number, unit: string, details: Readonly<Record<string, number>>): void {
  const rounded = Number(value.toFixed(3))
  const line = { bench: 'stock-pool', figure, hosts: Number(values.hosts), ...details, value: rounded, unit }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function printTimes(what: string, samplesMs: readonly number[], details: Readonly<Record<string, number>>): void {
  const sorted = samplesMs.toSorted((a, b) => a - b)
  const atPart = (part: number) => sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN
  print(`${what}, median`, atPart(0.5), 'ms', details)
  print(`${what}, p99`, atPart(0.99), 'ms', details)
}

async function measureReaction(pool: GuardedStockPool, disabled: number, rounds: number): Promise<void> {
  const [, going, ...others] = pool.hosts
  if (going === undefined) throw new Error('the pool has one host')
  const waiting = others.slice(0, disabled - 1)
  for (const { ref } of waiting) await pool.call('host.disable', ref)
  if (waiting.length > 0) await pool.reserve(going)
  const toTaskMs: number[] = []
  const toFieldMs: number[] = []
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    await pool.call('host.disable', going.ref)
    await pool.when(
      'a reboot is possible',
      () => !pool.isBlocked() && [going, ...waiting].every(host => pool.showsReboot(host)),
    )
    // Longer than a call is watched, and not in phase with anything that is periodic.
    await sleep(600 + ((round * 37) % 100))
    const accepted = pool.when('the reboot is accepted', () => pool.isGoing(going))
    const task = accepted.then(() => pool.when('the task exists', () => pool.isBlocked()))
    const field = accepted.then(() =>
      pool.when('the field is right', () => !waiting.some(host => pool.showsReboot(host))),
    )
    if (!(await pool.reboot(going))) throw new Error('the reboot of the only candidate is refused')
    if (round >= 0) {
      toTaskMs.push((await task) - (await accepted))
      toFieldMs.push((await field) - (await accepted))
    }
    await task
    await pool.bringBack(going)
  }
  if (waiting.length > 0) await pool.endReservation()
  for (const { ref } of waiting) await pool.call('host.enable', ref)
  await pool.when('the block is lifted', () => !pool.isBlocked())
  printTimes('accepted reboot to task', toTaskMs, { disabled, rounds })
  if (waiting.length > 0) printTimes('accepted reboot to field of all disabled hosts', toFieldMs, { disabled, rounds })
}

async function measureRaces(pool: GuardedStockPool, gapMs: number, races: number): Promise<void> {
  const hosts = pool.hosts.slice(1, 3)
  const counts = [0, 0, 0]
  for (let race = 0; race < races; race += 1) {
    const runs = hosts.map(host => ({ host, client: pool.client() }))
    // The login is not part of the race.
    await Promise.all(runs.map(({ host, client }) => client.call('host.get_enabled', [host.ref])))
    await sleep(600 + ((race * 37) % 100))
    const outcomes = await Promise.all(
      runs.map(async ({ host, client }) => {
        await client.call('host.disable', [host.ref])
        await sleep(gapMs)
        return { host, isAccepted: await pool.reboot(host, client) }
      }),
    )
    const accepted = outcomes.filter(({ isAccepted }) => isAccepted).length
    counts[accepted] = (counts[accepted] ?? 0) + 1
    await Promise.all(
      outcomes.map(({ host, isAccepted }) => (isAccepted ? pool.bringBack(host) : pool.call('host.enable', host.ref))),
    )
    await Promise.all(runs.map(({ client }) => client.close()))
    await pool.when('the block is lifted', () => !pool.isBlocked())
  }
  const [none = 0, one = 0, both = 0] = counts
  print(`two clients reboot ${gapMs} ms after host.disable, both accepted`, both, 'races', { races, one, none })
}

async function measureIdle(pool: GuardedStockPool, disabled: number, seconds: number): Promise<void> {
  const hosts = pool.hosts.slice(1, 1 + disabled)
  for (const { ref } of hosts) await pool.call('host.disable', ref)
  await sleep(1_000)
  const before = await pool.guardCpuSeconds()
  await sleep(seconds * 1_000)
  print('idle guard', (((await pool.guardCpuSeconds()) - before) / seconds) * 100, '% of a core', { disabled, seconds })
  for (const { ref } of hosts) await pool.call('host.enable', ref)
}

async function measure(): Promise<void> {
  const pool = await GuardedStockPool.start(Number(values.hosts))
  for (const disabled of [0, 1]) await measureIdle(pool, disabled, Number(values['idle-seconds']))
  for (const disabled of DISABLED) await measureReaction(pool, disabled, Number(values.rounds))
  for (const gapMs of GAPS_MS) await measureRaces(pool, gapMs, Number(values.races))
  await pool.close()
}

if (values.guard !== undefined) await runGuard(values.guard)
else if (values.measure) await measure()
else {
  const args = (hosts: string, rounds: string, races: string, idleSeconds: string) =>
    ['--measure', '--hosts', hosts, '--rounds', rounds, '--races', races, '--idle-seconds', idleSeconds] as const
  const run = args(values.hosts, values.rounds, values.races, values['idle-seconds'])
  await measureInProcesses(import.meta.filename, args('9', '1', '1', '1'), [run])
}
