import { presentMirrors, unwatchedMirrors } from '../../src/agent/backends.ts'
import { HostMonitor, type HostMonitorOptions } from '../../src/agent/host-monitor.ts'
import { MirrorMemory } from '../../src/agent/mirror-memory.ts'
import type { AnyReadings } from '../../src/agent/sources/backend-readings.ts'
import { drbdBackend } from '../../src/drbd-adapter/drbd-backend.ts'
import { expectedVolumes } from '../../src/drbd-adapter/expected-volumes.ts'
import { type Expected, HostState, type HostStateOptions } from '../../src/host-state/host-state.ts'
import type { SrSelection } from '../../src/host-state/sr-selection.ts'
import { mdBackend } from '../../src/mdraid-adapter/md-backend.ts'
import { machineTimers } from '../../src/platform/time/clock.ts'
import type { ExpectedMirror, MirrorJudge } from '../../src/sync-query/backend.ts'
import type { BackendName } from '../../src/sync-query/backend-name.ts'
import { MarksMemory } from '../../src/sync-query/history/marks/marks-memory.ts'
import type { ConfiguredPeer } from '../../src/sync-query/judge/configured-peers.ts'
import type { DrbdPeer, DrbdVolume } from '../../src/sync-query/judge/drbd.ts'
import type { MdArray } from '../../src/sync-query/judge/md.ts'
import type { Report } from '../../src/sync-query/report/report.ts'
import { peer, volume as volumeOf } from '../sync-query/drbd-volume.ts'

export const HOST = '0a0a0a0a-0000-4000-8000-000000000001'
export const SR = '5c5c5c5c-0000-4000-8000-000000000001'
export const BOOT = { id: 'b0b0b0b0-0000-4000-8000-000000000001', firstSeq: 1000 }

export const volume = (mirror: string, peers: readonly DrbdPeer[] = [peer('hostB')]) => volumeOf(mirror, peers)

/** The same SR, which may have no mirror on its host. */
export const maybeEmpty = (sr: SrSelection): SrSelection => ({ ...sr, allowEmpty: true })

export const drbdSr = (drbd: readonly string[], ignorePeers: readonly string[] = [], uuid = SR): SrSelection => ({
  uuid,
  drbd,
  md: [],
  ignorePeers,
})

/** Configured volumes. @param peers configured peers of each volume; default: `hostB` */
export const configured = (mirrors: readonly string[], peers: readonly ConfiguredPeer[] = [configuredPeer('hostB')]) =>
  mirrors.map(mirror => ({ mirror, peers: { peers, doubt: null } }))

export const configuredPeer = (name: string, nodeId: string | null = null, diskless = false): ConfiguredPeer => ({
  nodeId,
  names: [name],
  diskless,
})

export const expected = (...mirrors: readonly string[]): ExpectedMirror[] => expectedVolumes(configured(mirrors), [])

/** Readings that a test sets. */
class TestReadings<Mirror> implements AnyReadings {
  readonly #judge: MirrorJudge<Mirror>
  readonly current = new Map<string, Mirror>()
  expectation: Expected | undefined

  constructor(judge: MirrorJudge<Mirror>) {
    this.#judge = judge
  }

  get name(): BackendName {
    return this.#judge.name
  }

  update(changed: readonly Mirror[], removed: readonly string[]): void {
    for (const mirror of removed) this.current.delete(mirror)
    for (const each of changed) this.current.set(this.#judge.nameOf(each), each)
  }

  expected(): Expected | undefined {
    return this.expectation
  }

  resolve(sr: SrSelection): readonly string[] {
    return sr[this.name]
  }

  rejudge(state: HostState, mirrors: readonly string[], now: number) {
    const readings = mirrors.flatMap(mirror => this.current.get(mirror) ?? [])
    return state.rejudge(this.#judge, readings, now)
  }
}

/** A host whose time, kernel and configuration a test sets. Pushes succeed at once. */
class HostUnderTest {
  /** Milliseconds; `steady` is the clock that never jumps. */
  readonly time = { now: 0, steady: 0 }
  readonly drbd = new TestReadings(drbdBackend)
  readonly md = new TestReadings(mdBackend)
  readonly state: HostState
  readonly monitor: HostMonitor

  constructor(
    options: HostStateOptions,
    more: Pick<HostMonitorOptions, 'memory' | 'sink' | 'onTransition' | 'pushPace'>,
  ) {
    this.state = new HostState(options)
    this.monitor = new HostMonitor({
      state: this.state,
      clock: { ...machineTimers, now: () => this.time.now, steadyNow: () => this.time.steady },
      readings: [this.drbd, this.md],
      ...more,
    })
  }

  #srs: readonly SrSelection[] = []

  expect(backend: BackendName, mirrors: readonly ExpectedMirror[], doubt: string | null = null): void {
    this.select(this.#srs, { [backend]: { mirrors, doubt } })
  }

  select(srs: readonly SrSelection[], expected: Partial<Record<BackendName, Expected>> = {}): void {
    this.#srs = srs
    for (const readings of [this.drbd, this.md]) readings.expectation = expected[readings.name] ?? readings.expectation
    this.monitor.select(srs)
  }

  observeDrbd(
    at: number,
    changed: readonly DrbdVolume[],
    doubt: string | null,
    removed: readonly string[],
    wholeAt = at,
  ) {
    this.drbd.update(changed, removed)
    this.monitor.apply(drbdBackend, { at, changed, removed, doubt, wholeAt })
  }

  observeMd(
    at: number,
    changed: readonly MdArray[],
    doubt: string | null,
    removed: readonly string[],
    wholeAt = at,
  ): void {
    this.md.update(changed, removed)
    this.monitor.apply(mdBackend, { at, changed, removed, doubt, wholeAt })
  }

  tick(): void {
    this.monitor.tick()
  }

  loseSource(backend: BackendName, why: string): void {
    this.monitor.loseSource(backend, why)
  }

  report(sr: string): Report | null {
    return this.monitor.report(sr)
  }

  present() {
    return presentMirrors(this.state)
  }

  unwatched() {
    return unwatchedMirrors(this.state)
  }

  close(): Promise<void> {
    return this.monitor.close()
  }
}

interface HostOptions extends Partial<HostStateOptions>, Partial<HostMonitorOptions> {
  readonly srs?: readonly SrSelection[]
}

/** A host with a configuration that names these volumes; `kinds` are the transitions of its SRs. */
export function hostOf(
  { srs = [drbdSr(['mesh*'])], ...options }: HostOptions = {},
  configuredVolumes: readonly string[] = [],
) {
  const kinds: string[] = []
  const pushed: Report[] = []
  const sink = {
    push: async (report: Report) => {
      pushed.push(report)
    },
  }
  const host = new HostUnderTest(
    {
      host: HOST,
      hostname: 'hostA',
      boot: BOOT,
      marks: new MarksMemory([]),
      memoryDoubts: {},
      silentAfterMs: null,
      expectationPace: { forgetAfterMs: 600_000, missAfterMs: 0 },
      ...options,
    },
    {
      memory: new MirrorMemory(null, () => undefined),
      sink,
      onTransition: ({ transition }) => kinds.push(transition.kind),
      ...options,
    },
  )
  const { time } = host
  host.select(srs)
  host.expect('drbd', expected(...configuredVolumes))
  host.expect('md', [])
  const observe = (
    at: number,
    changed: readonly DrbdVolume[],
    doubt: string | null = null,
    removed: readonly string[] = [],
  ) => {
    time.now = at
    host.observeDrbd(at, changed, doubt, removed)
  }
  const observeMd = (
    at: number,
    changed: readonly MdArray[],
    doubt: string | null = null,
    removed: readonly string[] = [],
  ) => {
    time.now = at
    host.observeMd(at, changed, doubt, removed)
  }
  const state = (sr = SR) => host.report(sr)?.state
  return { host, kinds, pushed, time, observe, observeMd, state }
}

export function array(name: string, more: Partial<MdArray> = {}): MdArray {
  return {
    name,
    uuid: `${name}-uuid`,
    level: 'raid1',
    arrayState: 'clean',
    readOnly: 'no',
    slots: { expected: 2, current: 2 },
    members: [
      { name: 'sda1', slot: 0, flags: ['in-sync'] },
      { name: 'nbd0', slot: 1, flags: ['in-sync'] },
    ],
    syncAction: 'idle',
    operation: 'none',
    resyncStartBytes: 'none',
    mismatchBytes: 0,
    doubts: [],
    ...more,
  }
}
