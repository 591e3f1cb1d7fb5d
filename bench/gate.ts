/**
 * Measures the gate in a pool of 64 hosts x 8 SRs: the decision alone, the whole computation of the updater on the
 * embedded pool, and the path from a report that is pushed over XenAPI to `host.allowed_operations` of all hosts.
 *
 * Prints one line of JSON per figure. `value` is the median and `p99` the 99th percentile of the wall-clock times of the rounds.
 * `cpu` is the CPU time of this process per round, including the client and the server of XenAPI.
 */

import { decide } from '../src/allowed-operations/decide.ts'
import { DEFAULT_POLICY } from '../src/allowed-operations/pool/gate-policy.ts'
import type { PoolSnapshot } from '../src/allowed-operations/pool/pool-snapshot.ts'
import { EmbeddedPool } from '../src/embedded-pool/embedded-pool.ts'
import { embeddedPoolPort } from '../src/embedded-pool/updater-port.ts'
import { machineClock } from '../src/platform/time/clock.ts'
import type { Report, ReportReason } from '../src/sync-query/report/report.ts'
import { encodeReport } from '../src/sync-query/report/report-encode.ts'
import { Updater } from '../src/updater/updater.ts'
import { PbdReports } from '../src/xapi-notify/pbd-reports.ts'
import { XenApiClient } from '../src/xenapi-client/client.ts'

const HOSTS = 64
const SRS = 8
/** About as many reasons as fit into a stored report. */
const REASONS = 20
const WARM_UP_ROUNDS = 200
const ROUNDS = 1_000
const PUSHES = 300
const HOUR_MS = 3_600_000
const BOOT_ID = 'b0b0b0b0-0000-4000-8000-000000000001'

interface Subject {
  readonly host: string
  readonly sr: string
  readonly pbd: string
}

let seq = 0

function report({ host, sr }: { readonly host: string; readonly sr: string }, bad: boolean): Report {
  seq += 1
  const at = new Date().toISOString()
  const reasons = Array.from({ length: bad ? REASONS : 0 }, (_, index): ReportReason => {
    const mirror = `xcp-volume-${String(index).padStart(8, '0')}-0000-4000-8000-000000000000/0`
    const peer = `host-${(index * 7) % HOSTS}`
    return { code: 'resync-running', mirror, clearedBy: 'time', peer, side: 'target', progress: 0.5 }
  })
  return {
    schema: 1,
    host,
    sr,
    bootId: BOOT_ID,
    seq,
    at,
    state: bad ? 'resyncing' : 'synced',
    since: at,
    mirrors: { synced: 100, resyncing: bad ? REASONS : 0, degraded: 0, unknown: 0 },
    outOfSyncBytes: bad ? 33_513_472 : 0,
    progress: bad ? 0.5 : null,
    etaSeconds: null,
    reasons,
  }
}

/** @param cpu the CPU time of all rounds together */
function print(figure: string, samplesMs: readonly number[], cpu: NodeJS.CpuUsage): void {
  const sorted = samplesMs.toSorted((a, b) => a - b)
  const rounds = sorted.length
  const atPart = (part: number) => sorted[Math.floor(part * (rounds - 1))] ?? Number.NaN
  const figures = { value: atPart(0.5), p99: atPart(0.99), cpu: (cpu.user + cpu.system) / 1000 / rounds }
  const rounded = Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, Number(value.toFixed(3))]))
  const line = { bench: 'gate', figure, hosts: HOSTS, srs: SRS, rounds, ...rounded, unit: 'ms' }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function measure(figure: string, round: () => unknown): void {
  for (let index = 0; index < WARM_UP_ROUNDS; index += 1) round()
  const cpuBefore = process.cpuUsage()
  const samplesMs = Array.from({ length: ROUNDS }, () => {
    const startedMs = performance.now()
    round()
    return performance.now() - startedMs
  })
  print(figure, samplesMs, process.cpuUsage(cpuBefore))
}

const pool = new EmbeddedPool({
  gate: { claim: (snapshot, wanted) => updater.claim(snapshot, wanted) },
  clock: machineClock,
  machines: { goDown: () => undefined },
  authenticate: () => true,
})
const updater: Updater = new Updater({
  // No poll ever answers, because every report is pushed.
  pool: embeddedPoolPort(pool, () => new Promise(() => undefined)),
  // The lease is long, so that no report expires on a slow machine during another measurement.
  policy: { ...DEFAULT_POLICY, leaseMs: HOUR_MS },
  clock: machineClock,
  pollEveryMs: HOUR_MS,
  pollTimeoutMs: HOUR_MS,
  decided: () => undefined,
  recomputed: () => undefined,
  effectFailed: error => {
    throw error
  },
})
const hosts = Array.from({ length: HOSTS }, (_, index) => pool.addHost({ hostname: `host-${index}`, enabled: false }))
const srs = Array.from({ length: SRS }, (_, index) => pool.addSr({ name_label: `sr-${index}`, clustered: true }))
const subjects = hosts.flatMap(host =>
  srs.map((sr): Subject => ({ host, sr, pbd: pool.addPbd({ host, sr, attached: true }) })),
)
updater.start()
const { host: address, port } = await pool.listen({ port: 0 })
const client = new XenApiClient({ clock: machineClock, url: `http://${address}:${port}`, user: 'root', password: '' })
const sink = new PbdReports(client)

async function push({ host, sr, pbd }: Subject, bad: boolean): Promise<void> {
  const names = { host: pool.get('host', host)?.uuid ?? '', sr: pool.get('SR', sr)?.uuid ?? '' }
  await sink.pushReport(pbd, encodeReport(report(names, bad)))
}

function mayReboot(): boolean {
  return pool.list('host').every(([, { allowed_operations }]) => allowed_operations.includes('reboot'))
}

for (const [figure, bad] of [
  ['every report bad', true],
  ['all in sync', false],
] as const) {
  for (const subject of subjects) await push(subject, bad)
  updater.recompute()
  if (mayReboot() === bad) throw new Error(`${figure}: host.allowed_operations is wrong`)
  const snapshot = pool.poolSnapshot()
  measure(`decide, ${figure}`, () => decide(snapshot, DEFAULT_POLICY, Date.now()))
  measure(`recompute, ${figure}`, () => updater.recompute())
}

const [claimant = ''] = hosts
const wanted = { host: claimant, operation: 'reboot', task: 't' } as const
measure('claim, all in sync', () => updater.claim(pool.poolSnapshot(), wanted))

const [down = ''] = hosts
const snapshot = pool.poolSnapshot()
const oneDown: PoolSnapshot = {
  ...snapshot,
  hosts: snapshot.hosts.map(host => (host.ref === down ? { ...host, live: false } : host)),
}
measure('decide, one host down', () => decide(oneDown, DEFAULT_POLICY, Date.now()))

const [subject] = subjects
if (subject === undefined) throw new Error('the pool has no PBD')
const pushed = async (rounds: number): Promise<number[]> => {
  const samplesMs: number[] = []
  for (let index = 0; index < rounds; index += 1) {
    const bad = index % 2 === 0
    const startedMs = performance.now()
    await push(subject, bad)
    while (mayReboot() === bad) await new Promise(resolve => setImmediate(resolve))
    samplesMs.push(performance.now() - startedMs)
  }
  return samplesMs
}
await pushed(WARM_UP_ROUNDS)
const cpuBefore = process.cpuUsage()
const samplesMs = await pushed(PUSHES)
print('report pushed to field of all hosts', samplesMs, process.cpuUsage(cpuBefore))

await updater.close()
await client.close()
await pool.close()
