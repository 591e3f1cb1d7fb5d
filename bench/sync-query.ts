/**
 * Measures one event from a DRBD volume to the state of its SR (judge, history, sums), with 10 to 10 000 mirrors. The cost must not
 * depend on the number of mirrors. `event` is sync-query alone, `agent event` is the whole agent. Prints one JSON line per figure.
 *
 * Figures are medians of the CPU time of the whole process, including the threads of its garbage collector. Runs of all sizes
 * alternate, and a ratio is the median of the ratios within each round. Each input is a new object, as an adapter makes it, which is
 * created outside the measured time. Each input is applied separately.
 */

import type { HostMonitor } from '../src/agent/host-monitor.ts'
import { drbdBackend } from '../src/drbd-adapter/drbd-backend.ts'
import { machineClock } from '../src/platform/time/clock.ts'
import { HostMirrors } from '../src/sync-query/history/host-mirrors.ts'
import type { DrbdPeer, DrbdVolume } from '../src/sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../src/sync-query/judge/judge-drbd.ts'
import { mirrorList } from '../src/sync-query/report/mirror-list.ts'
import type { MirrorListEntry } from '../src/sync-query/report/report.ts'
import { SrFold, type SrStatus } from '../src/sync-query/sr-state/sr-fold.ts'
import { measuredAgent } from './measured-agent.ts'

const SIZES = [10, 100, 1_000, 10_000] as const
const MIRRORS_OF_A_HOST = 5_000
const EVENTS_PER_RUN = 30_000
const EVENTS_PER_UPDATE = 1_000
const WARM_UP_ROUNDS = 2
const ROUNDS = 21
const TOTAL_BYTES = 2 ** 40
const STEP_BYTES = 65_536
const PEERS = ['xcp-node-b', 'xcp-node-c']

/** Makes the `round`th observation of one mirror. */
type MakeVolume = (mirror: string, round: number) => DrbdVolume

interface Kind {
  readonly makeVolume: MakeVolume
  readonly onlyFirst?: true
}

const KINDS: Readonly<Record<string, Kind>> = {
  'progress of a resync': { makeVolume: (mirror, round) => volume(mirror, copying(TOTAL_BYTES - round * STEP_BYTES)) },
  'synced <-> resyncing': {
    makeVolume: (mirror, round) => volume(mirror, round % 2 === 0 ? {} : copying(TOTAL_BYTES)),
  },
  'nothing changes': { makeVolume: mirror => volume(mirror, {}) },
  'one mirror, others rest': {
    makeVolume: (mirror, round) => volume(mirror, copying(TOTAL_BYTES - round * STEP_BYTES)),
    onlyFirst: true,
  },
}

function copying(outOfSyncBytes: number): Partial<DrbdPeer> {
  const progress = 1 - outOfSyncBytes / TOTAL_BYTES
  const figures = { outOfSyncBytes, progress, totalBytes: TOTAL_BYTES, etaSeconds: outOfSyncBytes / 104_857_600 }
  return { replication: 'SyncSource', peerDisk: 'Inconsistent', ...figures }
}

function volume(mirror: string, firstPeer: Partial<DrbdPeer>): DrbdVolume {
  return {
    mirror,
    family: '9',
    disk: 'UpToDate',
    intentionalClient: false,
    quorum: true,
    ioSuspended: [],
    forcesIoFailures: false,
    sizeBytes: TOTAL_BYTES,
    aloneOutOfSyncBytes: null,
    peers: PEERS.map((peer, index) => ({
      peer,
      connection: 'Connected',
      replication: 'Established',
      peerDisk: 'UpToDate',
      intentionalClient: false,
      resyncSuspended: [],
      outOfSyncBytes: 0,
      movedBytes: null,
      progress: null,
      totalBytes: null,
      etaSeconds: null,
      passed: null,
      ...(index === 0 ? firstPeer : {}),
    })),
    doubts: [],
    splitBrainPeers: [],
    removedPeers: [],
    configured: true,
  }
}

/** The volumes that an adapter publishes for the mirrors of a host: one after the other, then from the first again. */
class VolumeSequence {
  readonly names: readonly string[]
  readonly #kind: Kind
  #published = 0

  constructor(size: number, kind: Kind) {
    this.names = Array.from({ length: size }, (_, index) => `xcp-volume-${String(index).padStart(36, '0')}/0`)
    this.#kind = kind
  }

  /** The first observation of each mirror. */
  initial(): DrbdVolume[] {
    return this.names.map(name => this.#kind.makeVolume(name, 0))
  }

  next(events: number): DrbdVolume[] {
    const { makeVolume, onlyFirst = false } = this.#kind
    const mirrors = onlyFirst ? 1 : this.names.length
    return Array.from({ length: events }, () => {
      const event = this.#published
      this.#published += 1
      return makeVolume(this.names[event % mirrors] ?? '', 1 + Math.floor(event / mirrors))
    })
  }
}

/** The code under measurement, which receives each volume. */
interface Consumer {
  observe(volume: DrbdVolume): void
}

/** The whole agent with one SR. */
class Agent implements Consumer {
  readonly #agent: HostMonitor
  #now = 0

  constructor() {
    const clock = { ...machineClock, now: () => this.#now }
    this.#agent = measuredAgent({ host: 'host', srs: ['sr'], clock })
  }

  observe(volume: DrbdVolume): void {
    this.#now += 1
    this.#agent.apply(drbdBackend, { at: this.#now, changed: [volume], removed: [], doubt: null, wholeAt: null })
  }
}

/** sync-query alone, with one SR. */
class Host implements Consumer {
  readonly #mirrors = new HostMirrors()
  readonly #fold = new SrFold(0)
  #now = 0

  constructor() {
    this.#fold.apply([], 0, null)
  }

  observe(volume: DrbdVolume): void {
    this.#now += 1
    const judgement = judgeDrbdVolume(volume)
    const change = this.#mirrors.observe({ judgement, at: this.#now, silenceMeansStall: true })
    this.#fold.apply([change], this.#now)
  }

  /** Advances the time by one second. */
  tick(): void {
    this.#now += 1_000
    this.#fold.apply(this.#mirrors.tick(this.#now), this.#now)
  }

  status(): SrStatus {
    return this.#fold.status(this.#mirrors.reasonsOf(this.#mirrors.mirrorsWithReasons(), this.#now))
  }

  list(names: readonly string[]): MirrorListEntry[] {
    return mirrorList(names.flatMap(name => this.#mirrors.get(name) ?? []))
  }
}

/** Returns the CPU microseconds of one event. */
function measureEvents(sequence: VolumeSequence, consumer: Consumer): number {
  let micros = 0
  for (let done = 0; done < EVENTS_PER_RUN; done += EVENTS_PER_UPDATE) {
    const update = sequence.next(EVENTS_PER_UPDATE)
    micros += cpuMicros(() => {
      for (const each of update) consumer.observe(each)
    })
  }
  return micros / EVENTS_PER_RUN
}

/** Returns the mean CPU microseconds of one call, of 20 calls. */
function measureCalls(work: () => void): number {
  const calls = 20
  return (
    cpuMicros(() => {
      for (let call = 0; call < calls; call += 1) work()
    }) / calls
  )
}

function cpuMicros(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN
}

/** The median of the ratios of neighbouring runs. Other load of the machine slows both runs of a pair. */
function medianRatio(dividends: readonly number[], divisors: readonly number[]): number {
  return median(dividends.map((dividend, index) => dividend / (divisors[index] ?? Number.NaN)))
}

function report(figure: string, of: Readonly<Record<string, string | number>>, value: number, unit: string): void {
  process.stdout.write(`${JSON.stringify({ bench: 'sync-query', figure, ...of, value, unit })}\n`)
}

/** Prints for each kind of event the cost at each size, and the ratio of the cost with 10 000 mirrors to that with 100. */
function reportEvents(name: string, makeConsumer: () => Consumer): void {
  for (const [kind, what] of Object.entries(KINDS)) {
    const runs = new Map(SIZES.map(size => [size, [] as number[]]))
    const hosts = SIZES.map(size => ({ size, sequence: new VolumeSequence(size, what), consumer: makeConsumer() }))
    for (const { sequence, consumer } of hosts) for (const each of sequence.initial()) consumer.observe(each)
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      for (const { size, sequence, consumer } of round % 2 === 0 ? hosts : hosts.toReversed()) {
        const figure = measureEvents(sequence, consumer)
        if (round >= 0) runs.get(size)?.push(figure)
      }
    }
    for (const [size, figures] of runs) report(name, { kind, mirrors: size }, rounded(median(figures)), 'CPU us')
    const ratio = medianRatio(runs.get(10_000) ?? [], runs.get(100) ?? [])
    report(`${name}, 10 000 mirrors to 100`, { kind }, rounded(ratio), 'ratio')
  }
}

reportEvents('event', () => new Host())
reportEvents('agent event', () => new Agent())
for (const [kind, makeVolume] of [
  ['all rest', (mirror: string) => volume(mirror, {})],
  ['all resync', (mirror: string) => volume(mirror, copying(TOTAL_BYTES))],
] as const) {
  const sequence = new VolumeSequence(MIRRORS_OF_A_HOST, { makeVolume })
  const host = new Host()
  for (const each of sequence.initial()) host.observe(each)
  const calls = {
    'tick, once a second': () => host.tick(),
    'status for a report': () => host.status(),
    'mirror list for a poll': () => host.list(sequence.names),
  }
  for (const [figure, work] of Object.entries(calls)) {
    const cpuMicros = median(Array.from({ length: ROUNDS }, () => measureCalls(work)))
    report(figure, { kind, mirrors: MIRRORS_OF_A_HOST }, rounded(cpuMicros), 'CPU us')
  }
}

function rounded(figure: number): number {
  return Math.round(figure * 1_000) / 1_000
}
