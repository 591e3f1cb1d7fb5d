/**
 * Measures a scrape: its size, and the CPU time to take the snapshot and render it, which blocks the event loop.
 *
 * The subjects are a host with 5 000 mirrors in two SRs (all synced, then 3 000 of them resyncing) and a pool of 64 hosts x 8 SRs
 * (all in sync, then every report bad). Prints one line of JSON per figure: the median of the rounds.
 */

import { decide } from '../src/allowed-operations/decide.ts'
import { DEFAULT_POLICY } from '../src/allowed-operations/pool/gate-policy.ts'
import type { HostSnapshot, PoolSnapshot, SrSnapshot } from '../src/allowed-operations/pool/pool-snapshot.ts'
import { AgentMetrics } from '../src/metrics/agent-metrics.ts'
import { GateMetrics } from '../src/metrics/gate-metrics.ts'
import { ProcessMetrics } from '../src/metrics/process-metrics.ts'
import { HostMirrors } from '../src/sync-query/history/host-mirrors.ts'
import type { Judgement } from '../src/sync-query/judge/judgement.ts'
import { reason } from '../src/sync-query/reason/reason.ts'
import { SrFold } from '../src/sync-query/sr-state/sr-fold.ts'

const MIRRORS = 5_000
const RESYNCING = 3_000
const HOSTS = 64
const SRS_OF_POOL = 8
const WARM_UP_ROUNDS = 50
const ROUNDS = 201
const NOW = Date.parse('2026-11-22T16:00:00Z')
const GIB = 2 ** 30
const TOTAL_BYTES = 1024 * GIB
/** Progress of each resync between two scrapes. */
const STEP_BYTES = GIB

interface Part {
  render(): Promise<string>
}

/** @param change makes the changes that occur between two scrapes */
async function measure(
  of: string,
  what: Readonly<Record<string, number>>,
  parts: readonly Part[],
  change: (round: number) => void = () => undefined,
): Promise<void> {
  const render = async () => (await Promise.all(parts.map(part => part.render()))).join('\n')
  const rounds: number[] = []
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    change(round)
    const before = process.cpuUsage()
    await render()
    const { user, system } = process.cpuUsage(before)
    if (round >= 0) rounds.push((user + system) / 1000)
  }
  const text = await render()
  const series = text.split('\n').filter(line => line !== '' && !line.startsWith('#')).length
  print(`${of}, size`, { ...what, series }, Buffer.byteLength(text) / 1024, 'KiB')
  print(`${of}, cost`, { ...what, series }, rounds.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN, 'CPU ms')
}

function print(figure: string, of: Readonly<Record<string, number>>, value: number, unit: string): void {
  process.stdout.write(
    `${JSON.stringify({ bench: 'metrics', figure, ...of, value: Number(value.toFixed(3)), unit })}\n`,
  )
}

function judgement(mirror: string, isResyncing: boolean, doneBytes: number): Judgement {
  const outOfSyncBytes = TOTAL_BYTES - doneBytes
  const progress = doneBytes / TOTAL_BYTES
  const figures = {
    progress,
    doneBytes,
    totalBytes: TOTAL_BYTES,
    outOfSyncBytes,
    etaSeconds: outOfSyncBytes / 104_857_600,
  }
  const none = { progress: null, doneBytes: null, totalBytes: null, outOfSyncBytes: 0, etaSeconds: null }
  return {
    mirror,
    backend: 'drbd',
    state: isResyncing ? 'resyncing' : 'synced',
    activity: isResyncing ? 'resync' : 'none',
    moving: isResyncing,
    ...(isResyncing ? figures : none),
    replicas: { expected: 3, current: isResyncing ? 2 : 3 },
    reasons: isResyncing ? [reason('resync-running', mirror, { peer: 'xcp-node-b', progress })] : [],
  }
}

/** A host whose mirrors alternate between two SRs. The first `resyncing` mirrors resync. */
class Host {
  readonly #resyncing: number
  readonly #mirrors = new HostMirrors()
  readonly #srs = ['1', '2'].map(digit => ({
    sr: `5c5c5c5c-0000-4000-8000-00000000000${digit}`,
    fold: new SrFold(NOW),
  }))
  readonly #srOf = new Map<string, string>()
  readonly metrics = new AgentMetrics({ snapshot: () => this.#snapshot() })

  constructor(resyncing: number) {
    this.#resyncing = resyncing
    for (let index = 0; index < MIRRORS; index += 1) this.#observe(index, GIB)
  }

  advance(round: number): void {
    for (let index = 0; index < this.#resyncing; index += 1) this.#observe(index, (round + WARM_UP_ROUNDS) * STEP_BYTES)
  }

  #snapshot() {
    const notSynced = this.#mirrors.mirrorsWithReasons()
    const statusOf = (sr: string, fold: SrFold) =>
      fold.status(
        this.#mirrors.reasonsOf(
          notSynced.filter(({ mirror }) => this.#srOf.get(mirror) === sr),
          NOW,
        ),
      )
    return {
      srs: new Map(this.#srs.map(({ sr, fold }) => [sr, statusOf(sr, fold)])),
      notSynced: notSynced.map(mirror => ({ sr: this.#srOf.get(mirror.mirror) ?? '', mirror })),
    }
  }

  #observe(index: number, doneBytes: number): void {
    const name = `xcp-volume-${String(index).padStart(8, '0')}-0000-4000-8000-000000000000/0`
    const observed = judgement(name, index < this.#resyncing, doneBytes)
    const change = this.#mirrors.observe({ judgement: observed, at: NOW, silenceMeansStall: true })
    const of = this.#srs[index % this.#srs.length]
    if (of === undefined) return
    of.fold.apply([change], NOW, null)
    this.#srOf.set(name, of.sr)
  }
}

function pool(isBad: boolean): PoolSnapshot {
  const hosts = Array.from(
    { length: HOSTS },
    (_, index): HostSnapshot => ({
      ref: `OpaqueRef:host-${index}`,
      uuid: `0a0a0a0a-0000-4000-8000-${String(index).padStart(12, '0')}`,
      enabled: false,
      live: true,
      liveSinceMs: NOW - 600_000,
      bootTimeMs: null,
      powerOnMode: '',
      currentOperations: [],
      allowedOperations: [],
      leaving: false,
    }),
  )
  const srs = Array.from(
    { length: SRS_OF_POOL },
    (_, index): SrSnapshot => ({
      ref: `OpaqueRef:sr-${index}`,
      uuid: `5c5c5c5c-0000-4000-8000-${String(index).padStart(12, '0')}`,
      clustered: true,
    }),
  )
  const pairs = hosts.flatMap(host => srs.map(sr => ({ host, sr })))
  const at = new Date(NOW - 1_000).toISOString()
  return {
    hosts,
    srs,
    pbds: pairs.map(({ host, sr }, index) => ({
      ref: `OpaqueRef:pbd-${index}`,
      host: host.ref,
      sr: sr.ref,
      currentlyAttached: true,
    })),
    tasks: [],
    reports: pairs.map(({ host, sr }) => ({
      host: host.ref,
      sr: sr.ref,
      confirmedAtMs: NOW - 1_000,
      report: {
        schema: 1,
        host: host.ref,
        sr: sr.ref,
        bootId: 'boot',
        seq: 1,
        at,
        state: isBad ? 'resyncing' : 'synced',
        since: at,
        mirrors: { unknown: 0, degraded: 0, resyncing: Number(isBad), synced: 100 },
        outOfSyncBytes: isBad ? GIB : 0,
        progress: isBad ? 0.5 : null,
        etaSeconds: null,
        reasons: [],
      },
    })),
    overrides: [],
    powerOnPlugin: true,
    rollingUpgrade: false,
  }
}

const ofProcess = new ProcessMetrics({ version: '0.0.0' })
for (const resyncing of [0, RESYNCING]) {
  const host = new Host(resyncing)
  const parts = [ofProcess, host.metrics]
  await measure('scrape of a host', { mirrors: MIRRORS, resyncing }, parts, round => host.advance(round))
}
for (const isBad of [false, true]) {
  const snapshot = pool(isBad)
  const gate = new GateMetrics({
    snapshot: () => ({
      pool: snapshot,
      verdicts: decide(snapshot, DEFAULT_POLICY, NOW),
      policy: DEFAULT_POLICY,
      atMs: NOW,
    }),
  })
  const what = { hosts: HOSTS, srs: SRS_OF_POOL, badReports: isBad ? snapshot.reports.length : 0 }
  await measure('scrape of a gate', what, [ofProcess, gate])
}
