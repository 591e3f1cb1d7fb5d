import type { ExpectedMirror, MirrorJudge, SourceUpdate } from '../sync-query/backend.ts'
import { BACKEND_NAMES, type BackendName, forEachBackend } from '../sync-query/backend-name.ts'
import { HostMirrors, type MirrorWithReasons } from '../sync-query/history/host-mirrors.ts'
import type { MarksMemory } from '../sync-query/history/marks/marks-memory.ts'
import type { TrackedMirror } from '../sync-query/history/tracked-mirror.ts'
import type { Reason } from '../sync-query/reason/reason.ts'
import { mirrorList } from '../sync-query/report/mirror-list.ts'
import type { Report } from '../sync-query/report/report.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import { BackendView } from './backend-view.ts'
import type { ExpectationPace } from './expectations.ts'
import { type HostChanges, type MemoryChange, NO_CHANGES, type Remembered } from './host-changes.ts'
import { Places, type Unwatched } from './places.ts'
import { mayLackMirrors, SrPresence } from './sr-presence.ts'
import type { SrSelection } from './sr-selection.ts'
import { Step } from './step.ts'
import type { WatchedSr } from './watched-sr.ts'
import { type HostBoot, WatchedSrs } from './watched-srs.ts'

export interface HostStateOptions {
  /** The host's UUID in the pool's database. */
  readonly host: string
  /** The host's name, for sentences. */
  readonly hostname: string
  readonly boot: HostBoot
  /** The state of a backend counts for this long without a confirmation, by the steady clock; `null`: for ever, as in recordings. */
  readonly silentAfterMs: number | null
  /** What an earlier run has remembered of replication pairs. This object is updated in place. */
  readonly marks: MarksMemory
  /** Why the memory of a backend could not be read. SRs with its mirrors stay `unknown`. */
  readonly memoryDoubts: Readonly<Partial<Record<BackendName, Reason>>>
  readonly expectationPace?: ExpectationPace
}

/** The parts of an update that concern mirrors. */
export type MirrorUpdate<Mirror> = Pick<SourceUpdate<Mirror>, 'at' | 'changed' | 'removed' | 'doubt' | 'wholeAt'>

/** The mirrors of a backend that should exist. */
export interface Expected {
  readonly mirrors: readonly ExpectedMirror[]
  /** `null`: these are all. Otherwise in a few words why there may be more. */
  readonly doubt: string | null
}

export interface Selected {
  readonly srs: readonly SrSelection[]
  /** For these backends also what should exist, so that no SR is judged by its new selection and the old expectation. */
  readonly expected?: Readonly<Partial<Record<BackendName, Expected>>>
  /** What is remembered of SRs, by UUID. Only entries of SRs that were not watched before are used. */
  readonly remembered?: ReadonlyMap<string, Remembered>
}

/** An input that is applied, and whose SRs have not been judged yet. */
interface Pending {
  readonly step: Step
  readonly memoryChanges: readonly MemoryChange[]
  /** Backends whose readings are awaited. */
  readonly awaited: Set<BackendName>
}

/**
 * The state machine of one host: kernel state in, states of SRs and reports out.
 *
 *     const state = new HostState(options)
 *     act(state.select({ srs, expected }, now))
 *     for await (const update of source) act(state.apply(backend, update, steadyMs))
 *
 * It has no clock, no timers and no effects: each input returns what it has changed, as data. `now` is in milliseconds since 1970,
 * `steadyMs` is of a clock that never jumps.
 *
 * Invariants: an SR is `unknown` until each source that it has mirrors of has reported all of them, and again from the moment
 * that this can no longer be claimed. A mirror that is configured and that the kernel does not show is degraded, never absent. An
 * update is applied as a whole before an SR is judged.
 */
export class HostState {
  readonly #silentAfterMs: HostStateOptions['silentAfterMs']
  readonly #mirrors: HostMirrors
  readonly #places: Places
  readonly #views: Readonly<Record<BackendName, BackendView>>
  readonly #srs: WatchedSrs
  readonly #presence: SrPresence
  readonly #absence = (sr: WatchedSr) => this.#presence.absence(sr)
  #pending: Pending | null = null

  constructor(options: HostStateOptions) {
    const { host, hostname, boot, marks, memoryDoubts, expectationPace } = options
    this.#silentAfterMs = options.silentAfterMs
    this.#mirrors = new HostMirrors(undefined, marks)
    this.#views = forEachBackend(backend => new BackendView(memoryDoubts[backend]))
    this.#places = new Places(this.#mirrors, expectationPace)
    this.#presence = new SrPresence({ places: this.#places, views: this.#views, hostname })
    this.#srs = new WatchedSrs({ host, boot, mirrors: this.#mirrors, places: this.#places, views: this.#views })
  }

  /** Applies what the source of a backend has learnt. */
  apply<Mirror>(backend: MirrorJudge<Mirror>, update: MirrorUpdate<Mirror>, steadyMs: number): HostChanges {
    const { name } = backend
    const { at, changed, removed, doubt, wholeAt } = update
    const step = this.#takeStep()
    const view = this.#views[name]
    // A source reports no mirrors while it doubts, so its first report after a doubt follows a gap.
    const when = { at, followsGap: !view.isWhole }
    view.update(wholeAt, steadyMs)
    this.#places.remove(name, removed, at, step)
    for (const mirror of changed) {
      const mirrorName = backend.nameOf(mirror)
      const place =
        this.#places.reported(mirrorName) ?? this.#places.report(name, mirrorName, backend.namesOf(mirror), at, step)
      this.#places.observe(place, backend.judge(mirror, place, when), step)
    }
    view.doubtSource(doubt)
    if (view.isWhole) this.#places.removeUnreported(name, at, step)
    this.#places.miss(name, view.isWhole, at, step)
    return this.#settle(step, at)
  }

  /** The source of a backend has ended and another one starts. Mirrors that the new one does not report will be removed. */
  loseSource(backend: BackendName, why: string, now: number): HostChanges {
    this.#views[backend].doubtSource(why)
    this.#places.loseSource(backend)
    return this.#settle(this.#takeStep(), now)
  }

  /** Replaces the watched SRs, or the mirrors that they select. What is known of mirrors and of remaining SRs stays. */
  select({ srs, expected = {}, remembered }: Selected, now: number): HostChanges {
    const step = this.#takeStep()
    const { added, removed } = this.#srs.select(srs, now)
    for (const sr of removed) this.#presence.forget(sr)
    for (const sr of added) {
      this.#presence.remember(sr, remembered?.get(sr) ?? { kind: 'nothing' })
      step.addStale(sr)
    }
    this.#places.select(srs, this.#srs.byUuid, step)
    const rejudge: [BackendName, readonly string[]][] = []
    for (const backend of BACKEND_NAMES) {
      const ofBackend = expected[backend]
      if (ofBackend !== undefined) rejudge.push([backend, this.#expect(backend, ofBackend, now, step)])
    }
    return this.#settleAfter(step, rejudge, [], now)
  }

  /**
   * Applies the passing of time: finds stalls, drops old estimates, misses new mirrors that have not come up, doubts states that
   * nothing has confirmed. Call it about once a second.
   */
  tick(now: number, steadyMs: number): HostChanges {
    const step = this.#takeStep()
    for (const change of this.#mirrors.tick(now)) step.add(this.#places.get(change.mirror)?.srs ?? [], change)
    for (const backend of BACKEND_NAMES) {
      if (this.#silentAfterMs !== null) this.#views[backend].expire(steadyMs, this.#silentAfterMs)
      this.#places.rosters[backend].forgetOld(now)
      this.#places.miss(backend, this.#views[backend].isWhole, now, step)
    }
    const rejudge = BACKEND_NAMES.map(backend => [backend, this.#places.findDuePeers(backend, now)] as const)
    return this.#settleAfter(step, rejudge, this.#presence.tick(this.#srs.byUuid.values(), now), now)
  }

  /**
   * Answers `HostChanges.rejudge`. A mirror without a reading keeps its judgement: its source is in doubt, and will report it again.
   *
   * @returns the changes of the input that asked for this
   */
  rejudge<Mirror>(backend: MirrorJudge<Mirror>, readings: readonly Mirror[], now: number): HostChanges {
    const pending = this.#pending
    const step = pending?.step ?? new Step()
    const when = { at: now, followsGap: false }
    for (const mirror of readings) {
      const place = this.#places.get(backend.nameOf(mirror))
      if (place !== undefined) this.#places.observe(place, backend.judge(mirror, place, when), step)
    }
    pending?.awaited.delete(backend.name)
    if (pending !== null && pending.awaited.size > 0) return NO_CHANGES
    this.#pending = null
    return { ...this.#settle(step, now), memoryChanges: pending?.memoryChanges ?? [] }
  }

  /** Sets what is remembered of an SR, as when an operator has removed its file. It counts from the next input on. */
  remember(sr: string, remembered: Remembered): void {
    if (this.#srs.byUuid.has(sr)) this.#presence.remember(sr, remembered)
  }

  /** UUIDs of the watched SRs. */
  srs(): string[] {
    return [...this.#srs.byUuid.keys()]
  }

  /** UUIDs of the SRs that have no mirrors of a backend that they select. What is remembered decides about them. */
  lackingMirrors(): string[] {
    return Array.from(this.#srs.byUuid.values())
      .filter(mayLackMirrors)
      .map(({ uuid }) => uuid)
  }

  /** The status of an SR; `null`: this host does not watch it. */
  status(sr: string, now: number): SrStatus | null {
    const watched = this.#srs.byUuid.get(sr)
    return watched === undefined ? null : this.#srs.status(watched, now)
  }

  /** For each SR the lowest `seq` of a report of its present state. Heartbeats carry it, in case that reports do not arrive. */
  changedSeqs(): ReadonlyMap<string, number> {
    return this.#srs.changedSeqs
  }

  isResyncing(sr: string): boolean {
    return this.#srs.byUuid.get(sr)?.fold.state === 'resyncing'
  }

  /** The names of each mirror that the kernel shows, by backend. */
  shown(): Readonly<Record<BackendName, readonly (readonly string[])[]>> {
    return forEachBackend(backend =>
      Array.from(this.#places.rosters[backend].shown(), name => this.#places.get(name)?.names ?? [name]),
    )
  }

  /** The mirrors that no SR selects, by backend. */
  unwatched(): Unwatched {
    return this.#places.unwatched()
  }

  /** For each backend that may have more mirrors than are known: why. */
  doubts(): string[] {
    return BACKEND_NAMES.flatMap(backend => {
      const doubt = this.#views[backend].sourceDoubt
      return doubt === null ? [] : [`${backend}: ${doubt}`]
    })
  }

  /** Every mirror that is not synced, in each of its SRs. */
  *notSynced(): Generator<{ readonly sr: string; readonly mirror: TrackedMirror }> {
    for (const mirror of this.#mirrors.mirrorsWithReasons()) {
      if (mirror.state === 'synced') continue
      for (const { uuid: sr } of this.#places.get(mirror.mirror)?.srs ?? []) yield { sr, mirror }
    }
  }

  /** Every mirror of an SR with its reasons; `null`: this host does not watch the SR. */
  mirrors(sr: string, now: number): Iterable<MirrorWithReasons> | null {
    const watched = this.#srs.byUuid.get(sr)
    return watched === undefined ? null : this.#mirrors.reasonsOf(this.#places.of(watched), now)
  }

  /** A report of an SR, without the list of its mirrors; `null`: this host does not watch it. Each report has the next `seq`. */
  report(sr: string, now: number): Report | null {
    const watched = this.#srs.byUuid.get(sr)
    return watched === undefined ? null : this.#srs.report(watched, now)
  }

  /** The report that answers a poll: with the list of mirrors. */
  pollReport(sr: string, now: number): Report | null {
    const watched = this.#srs.byUuid.get(sr)
    if (watched === undefined) return null
    const report = this.#srs.report(watched, now)
    // An unknown SR has the last known mirrors, and a list of them would look like the present ones.
    return report.state === 'unknown' ? report : { ...report, mirrorList: mirrorList(this.#places.of(watched)) }
  }

  /** The step of this input. If the caller has not answered a request to judge again, its changes are part of this input. */
  #takeStep(): Step {
    const step = this.#pending?.step ?? new Step()
    this.#pending = null
    return step
  }

  #expect(backend: BackendName, { mirrors, doubt }: Expected, now: number, step: Step): string[] {
    const view = this.#views[backend]
    this.#places.rosters[backend].expect(mirrors, now, view.isConfigured)
    const rejudge = this.#places.expectPeers(backend, mirrors, now, view.isConfigured)
    view.doubtConfiguration(doubt)
    this.#places.miss(backend, view.isWhole, now, step)
    return rejudge
  }

  #settle(step: Step, at: number): HostChanges {
    return this.#srs.judge(step, this.#absence, at)
  }

  /** Judges the SRs, unless mirrors must be judged again before. */
  #settleAfter(
    step: Step,
    rejudge: readonly (readonly [BackendName, readonly string[]])[],
    memoryChanges: readonly MemoryChange[],
    now: number,
  ): HostChanges {
    const requests = rejudge.flatMap(([backend, mirrors]) => (mirrors.length === 0 ? [] : [{ backend, mirrors }]))
    if (requests.length === 0) return { ...this.#settle(step, now), memoryChanges }
    this.#pending = { step, memoryChanges, awaited: new Set(requests.map(({ backend }) => backend)) }
    return { ...NO_CHANGES, rejudge: requests }
  }
}
