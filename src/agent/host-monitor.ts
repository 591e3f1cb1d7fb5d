import type { HostChanges, Remembered, SrTransition } from '../host-state/host-changes.ts'
import type { Expected, HostState, MirrorUpdate } from '../host-state/host-state.ts'
import type { SrSelection } from '../host-state/sr-selection.ts'
import type { Clock } from '../platform/time/clock.ts'
import type { MirrorJudge } from '../sync-query/backend.ts'
import type { BackendName } from '../sync-query/backend-name.ts'
import type { MirrorWithReasons } from '../sync-query/history/host-mirrors.ts'
import type { Report } from '../sync-query/report/report.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import { type PushPace, ReportPusher, type ReportSink } from '../xapi-notify/report-pusher.ts'
import type { MirrorMemory } from './mirror-memory.ts'
import type { AnyReadings } from './sources/backend-readings.ts'

export interface HostMonitorOptions {
  readonly state: HostState
  readonly clock: Clock
  /** One for each backend that is followed. */
  readonly readings: readonly AnyReadings[]
  readonly memory: MirrorMemory
  /** Receives the reports of all SRs. */
  readonly sink: ReportSink
  readonly pushPace?: PushPace
  /** Receives every transition of an SR, in order. Must not throw. */
  readonly onTransition: (transition: SrTransition) => void
}

const NOTHING: Remembered = { kind: 'nothing' }

/** Runs a `HostState`: gives it the time, and acts on the changes that it returns. */
export class HostMonitor {
  readonly #options: HostMonitorOptions
  readonly #state: HostState
  readonly #clock: Clock
  /** By UUID of the SR. */
  readonly #pushers = new Map<string, ReportPusher>()
  #srs: readonly SrSelection[] = []

  constructor(options: HostMonitorOptions) {
    this.#options = options
    this.#state = options.state
    this.#clock = options.clock
  }

  /** Applies an update of a backend's source. */
  apply<Mirror>(backend: MirrorJudge<Mirror>, update: MirrorUpdate<Mirror>): void {
    this.#act(this.#state.apply(backend, update, this.#clock.steadyNow()))
  }

  /** The source of a backend has ended. @param why in a few words */
  loseSource(backend: BackendName, why: string): void {
    this.#act(this.#state.loseSource(backend, why, this.#clock.now()))
  }

  /** Watches these SRs from now on. */
  select(srs: readonly SrSelection[]): void {
    const { readings, memory } = this.#options
    const known = new Set(this.#state.srs())
    const remembered = new Map(srs.flatMap(({ uuid }) => (known.has(uuid) ? [] : [[uuid, memory.of(uuid)]])))
    this.#srs = srs
    const watched = new Set(srs.map(({ uuid }) => uuid))
    for (const [sr, pusher] of this.#pushers) {
      if (watched.has(sr)) continue
      this.#pushers.delete(sr)
      void pusher.close()
    }
    const expected: Partial<Record<BackendName, Expected>> = {}
    for (const each of readings) {
      const ofBackend = each.expected(srs)
      if (ofBackend !== undefined) expected[each.name] = ofBackend
    }
    const resolved = srs.map(sr => ({
      ...sr,
      ...Object.fromEntries(readings.map(each => [each.name, each.resolve(sr)])),
    }))
    this.#act(this.#state.select({ srs: resolved, expected, remembered }, this.#clock.now()))
  }

  /** The configuration of a backend was read. */
  configurationRead(): void {
    this.select(this.#srs)
  }

  /** Call it about once a second. */
  tick(): void {
    const { memory } = this.#options
    for (const sr of this.#state.lackingMirrors()) if (memory.forgetIfRemoved(sr)) this.#state.remember(sr, NOTHING)
    this.#act(this.#state.tick(this.#clock.now(), this.#clock.steadyNow()))
  }

  /** UUIDs of the watched SRs. */
  srs(): readonly string[] {
    return this.#state.srs()
  }

  /** The status of an SR; `null`: this host does not watch it. */
  status(sr: string): SrStatus | null {
    return this.#state.status(sr, this.#clock.now())
  }

  /** The answer to a poll; `null` as above. */
  report(sr: string): Report | null {
    return this.#state.pollReport(sr, this.#clock.now())
  }

  /** Every mirror of an SR with its reasons; `null` as above. */
  mirrors(sr: string): Iterable<MirrorWithReasons> | null {
    return this.#state.mirrors(sr, this.#clock.now())
  }

  /** Pushes the reports of these SRs again, because the pool may not have them. */
  pushAgain(srs: readonly string[]): void {
    for (const sr of srs) this.#pushers.get(sr)?.want('transition')
  }

  /** Ends the pushes. */
  async close(): Promise<void> {
    await Promise.all([...this.#pushers.values()].map(pusher => pusher.close()))
  }

  #act(first: HostChanges): void {
    const { readings, memory, onTransition } = this.#options
    let changes = first
    for (const { backend, mirrors } of first.rejudge) {
      const ofBackend = readings.find(({ name }) => name === backend)
      if (ofBackend === undefined) throw new Error(`${backend} is not followed`)
      changes = ofBackend.rejudge(this.#state, mirrors, this.#clock.now())
    }
    for (const { sr, held } of changes.memoryChanges) {
      if (held === null) memory.forget(sr)
      else memory.keep(sr, held)
    }
    for (const transition of changes.transitions) onTransition(transition)
    for (const { sr, isUrgent } of changes.staleReports) this.#pusherOf(sr).want(isUrgent ? 'transition' : 'news')
  }

  #pusherOf(sr: string): ReportPusher {
    const known = this.#pushers.get(sr)
    if (known !== undefined) return known
    const { sink, pushPace } = this.#options
    const pusher = new ReportPusher(() => this.#makeReport(sr), sink, this.#clock, pushPace)
    this.#pushers.set(sr, pusher)
    return pusher
  }

  #makeReport(sr: string): Report {
    const report = this.#state.report(sr, this.#clock.now())
    if (report === null) throw new Error(`SR ${sr} is not watched`)
    return report
  }
}
