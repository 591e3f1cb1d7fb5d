import type { ExpectationPace } from '../agent/expectations.ts'
import type { HostBoot } from '../agent/host-boot.ts'
import type { SrMemory } from '../agent/mirror-memory.ts'
import { Step } from '../agent/step.ts'
import type { MarksMemory } from '../sync-query/history/marks-memory.ts'
import type { TrackedMirror } from '../sync-query/history/tracked-mirror.ts'
import type { DrbdVolume } from '../sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../sync-query/judge/judge-drbd.ts'
import { judgeMdArray } from '../sync-query/judge/judge-md.ts'
import type { Observation } from '../sync-query/judge/judgement.ts'
import type { MdArray } from '../sync-query/judge/md.ts'
import type { Reason } from '../sync-query/reason/reason.ts'
import { mirrorList } from '../sync-query/report/mirror-list.ts'
import type { Report } from '../sync-query/report/report.ts'
import { HostMirrors, type MirrorChange, type MirrorWithReasons } from '../sync-query/sr-state/host-mirrors.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/sr-state/transition.ts'
import { SYNC_STATES } from '../sync-query/state.ts'
import type { PresentMirrors } from '../volume-plugin/probe.ts'
import { type PushPace, ReportPusher, type ReportSink } from '../xapi-notify/report-pusher.ts'
import { BACKENDS, type Backend, BackendView } from './backend-view.ts'
import { drbdNames, type ExpectedMirror, mdNames } from './expected-mirrors.ts'
import { type Place, Places, type Unwatched } from './places.ts'
import { SrPresence } from './sr-presence.ts'
import { resourceOf, type SrSelection } from './sr-selection.ts'
import { WatchedSr } from './watched-sr.ts'

export interface HostAgentOptions {
  /** The host's UUID in the pool's database. */
  readonly host: string
  readonly boot: HostBoot
  readonly srs: readonly SrSelection[]
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly sink: ReportSink
  /** The host's name, for people. */
  readonly hostname: string
  /** Which SRs had mirrors on this host before. */
  readonly memory: SrMemory
  /** A DRBD volume as its source knows it now; `null`: it does not. For what has to be judged anew between two updates. */
  readonly drbdVolume: (mirror: string) => DrbdVolume | null
  readonly pushPace?: PushPace
  readonly expectationPace?: ExpectationPace
  /** Absent: a source is trusted until it says otherwise, as recordings are. */
  readonly silence?: SilenceLimit
  /** What an earlier run has remembered of DRBD's marks. Default: nothing. */
  readonly marks?: MarksMemory
  /** Why that could not be read; `null`: it was. SRs with DRBD are `unknown` then. */
  readonly marksDoubt?: Reason | null
  /** Told of every edge of an SR's state, in order. Must not throw. */
  readonly witness: (sr: string, transition: Transition, status: SrStatus) => void
}

/** How long the state of a backend counts without being confirmed. */
interface SilenceLimit {
  /** Milliseconds by a clock that nobody sets. */
  readonly steadyNow: () => number
  readonly afterMs: number
}

/** What a source has learnt since it last told something. What is removed goes before what changed comes. */
export interface SourceUpdate<Mirror> {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly changed: readonly Mirror[]
  /** Names of mirrors that are gone. */
  readonly removed: readonly string[]
  /** `null`: all mirrors there are have been told. Otherwise in a few words why that cannot be claimed. */
  readonly doubt: string | null
  /** When it last read or confirmed everything, by any clock. Absent: each update is made of everything. */
  readonly wholeAt?: number | null
}

/** Which mirrors of a backend should be there. */
interface Expected {
  readonly mirrors: readonly ExpectedMirror[]
  /** `null`: these are all. Otherwise in a few words why there may be more. */
  readonly doubt: string | null
}

/** When a source has shown something, and whether anything may have happened unseen before. */
type When = Pick<Observation, 'at'> & Partial<Pick<Observation, 'followsGap'>>

const AS_BEFORE: Readonly<Record<Backend, Expected | null>> = { drbd: null, md: null }

/**
 * One host's side of the monitor: turns what the kernel says into the state of each SR, and the state into reports.
 *
 * Invariants: an SR is `unknown` until each source that it has mirrors of has told of all there are, and again from the
 * moment that can no longer be claimed; a mirror that is configured and not shown by the kernel is a degraded mirror, never
 * a missing one; what is told together is taken in wholly before an SR is judged by it.
 */
export class HostAgent {
  readonly #options: HostAgentOptions
  readonly #mirrors: HostMirrors
  readonly #places: Places
  readonly #views: Readonly<Record<Backend, BackendView>>
  readonly #srs = new Map<string, WatchedSr>()
  /** By UUID of the SR: every report that was made since its state last changed has this `seq` or a higher one. */
  readonly #changedSeqs = new Map<string, number>()
  readonly #presence: SrPresence
  #seq: number

  constructor(options: HostAgentOptions) {
    this.#options = options
    this.#mirrors = new HostMirrors(undefined, options.marks)
    this.#views = { drbd: new BackendView(options.marksDoubt ?? null), md: new BackendView() }
    this.#places = new Places(this.#mirrors, options.expectationPace)
    const { memory, hostname } = options
    this.#presence = new SrPresence({ places: this.#places, views: this.#views, memory, hostname })
    this.#seq = options.boot.firstSeq
    this.select(options.srs)
  }

  /** Takes in what DRBD's source has learnt. */
  applyDrbd({ at, changed, removed, doubt, wholeAt }: SourceUpdate<DrbdVolume>): void {
    const step = new Step()
    // While a source is in doubt it tells nothing: what comes first after that tells of a gap.
    const followsGap = !this.#views.drbd.isWhole
    this.#hear('drbd', wholeAt)
    this.#places.lose('drbd', removed, at, step)
    for (const volume of changed) {
      const { mirror } = volume
      const place = this.#places.see('drbd', mirror, () => drbdNames(mirror), at, step)
      this.#judge(volume, place, { at, followsGap }, step)
    }
    this.#settle('drbd', doubt, at, step)
  }

  /** Takes in what md's source has learnt. */
  applyMd({ at, changed, removed, doubt, wholeAt }: SourceUpdate<MdArray>): void {
    const step = new Step()
    this.#hear('md', wholeAt)
    this.#places.lose('md', removed, at, step)
    for (const array of changed) {
      const { name, uuid } = array
      const place = this.#places.see('md', name, () => mdNames(name, uuid), at, step)
      this.#places.observe(place, { judgement: judgeMdArray(array), at, silenceMeansStall: true }, step)
    }
    this.#settle('md', doubt, at, step)
  }

  /**
   * The source of a backend is gone, and another one is about to begin, which does not know what this one has told: what
   * it does not tell again is gone.
   */
  loseSource(backend: Backend, why: string): void {
    this.#views[backend].doubtSource(why)
    this.#places.loseSource(backend)
    this.#tell(new Step(), this.#options.now())
  }

  /** Takes in which mirrors of a backend should be there, and why there may be more. */
  expect(backend: Backend, mirrors: readonly ExpectedMirror[], doubt: string | null = null): void {
    const at = this.#options.now()
    const step = new Step()
    this.#expect(backend, { mirrors, doubt }, at, step)
    this.#tell(step, at)
  }

  /**
   * Watches other SRs from now on, or the same ones with other mirrors. What is known of mirrors and SRs stays.
   *
   * @param expected as of `expect`; `null`: as before. An SR may not be judged between its choice and what that expects
   */
  select(selections: readonly SrSelection[], expected: Readonly<Record<Backend, Expected | null>> = AS_BEFORE): void {
    const at = this.#options.now()
    for (const [uuid, sr] of this.#srs) {
      if (selections.some(selection => selection.uuid === uuid)) continue
      this.#srs.delete(uuid)
      this.#changedSeqs.delete(uuid)
      void sr.pusher.close()
    }
    for (const selection of selections) {
      const known = this.#srs.get(selection.uuid)
      if (known === undefined) this.#watch(selection, at)
      else known.reselect(selection)
    }
    const step = new Step()
    this.#places.select(selections, this.#srs, step)
    for (const backend of BACKENDS) {
      const ofBackend = expected[backend]
      if (ofBackend !== null) this.#expect(backend, ofBackend, at, step)
    }
    this.#tell(step, at)
  }

  /**
   * Lets time pass: stalls are found, old estimates are dropped, what is new and has not come up is missed, what was not
   * confirmed for too long is doubted. To be called about once a second.
   */
  tick(): void {
    const now = this.#options.now()
    const step = new Step()
    for (const change of this.#mirrors.tick(now)) step.add(this.#places.get(change.mirror)?.srs ?? [], change)
    const { silence } = this.#options
    for (const backend of BACKENDS) {
      if (silence !== undefined) this.#views[backend].expire(silence.steadyNow(), silence.afterMs)
      this.#places.rosters[backend].forgetOld(now)
      this.#places.miss(backend, this.#views[backend].isWhole, now, step)
    }
    this.#judgeAnew(this.#places.passPeers(now), now, step)
    this.#presence.tick(this.#srs.values(), now)
    this.#tell(step, now)
  }

  /** UUIDs of the SRs that this host watches. */
  srs(): string[] {
    return [...this.#srs.keys()]
  }

  /** What can be said of an SR as of now. `null` if this host does not watch that SR. */
  status(sr: string): SrStatus | null {
    const watched = this.#srs.get(sr)
    return watched === undefined ? null : this.#statusOf(watched, this.#options.now())
  }

  /** `seq` from which on reports of each SR tell of its present state: a heartbeat says so, in case that they do not arrive. */
  changedSeqs(): ReadonlyMap<string, number> {
    return this.#changedSeqs
  }

  isResyncing(sr: string): boolean {
    return this.#srs.get(sr)?.fold.state === 'resyncing'
  }

  /** What the kernel shows: DRBD resources by name, and md arrays; and why there may be more of them. */
  present(): PresentMirrors {
    const drbd = new Set(Array.from(this.#places.rosters.drbd.shown(), resourceOf))
    const md = Array.from(this.#places.rosters.md.shown(), name => {
      const [, , uuid = null] = this.#places.get(name)?.names ?? []
      return { name, uuid }
    })
    return { drbd: [...drbd], md, doubts: this.#doubts() }
  }

  /** DRBD resources and md arrays that no SR watches, by name, and why there may be more of them. */
  unwatched(): Unwatched & { readonly doubts: readonly string[] } {
    return { ...this.#places.unwatched(), doubts: this.#doubts() }
  }

  #doubts(): string[] {
    return BACKENDS.flatMap(backend => {
      const doubt = this.#views[backend].sourceDoubt
      return doubt === null ? [] : [`${backend}: ${doubt}`]
    })
  }

  /** Every mirror that is not synced, in each of its SRs. */
  *notSynced(): Generator<{ readonly sr: string; readonly mirror: TrackedMirror }> {
    for (const mirror of this.#mirrors.telling()) {
      if (mirror.state === 'synced') continue
      for (const { uuid: sr } of this.#places.get(mirror.mirror)?.srs ?? []) yield { sr, mirror }
    }
  }

  /** Every mirror of an SR, with its reasons as of now. `null` if this host does not watch that SR. */
  mirrors(sr: string): Iterable<MirrorWithReasons> | null {
    const watched = this.#srs.get(sr)
    return watched === undefined ? null : this.#mirrors.withReasons(this.#mirrorsOf(watched), this.#options.now())
  }

  /** The report of an SR as of now: the answer to a poll. `null` if this host does not watch that SR. */
  report(sr: string): Report | null {
    const watched = this.#srs.get(sr)
    if (watched === undefined) return null
    const report = this.#makeReport(sr)
    // In doubt its mirrors are as they were seen last, and a list of them would pass for what is so now.
    return report.state === 'unknown' ? report : { ...report, mirrorList: mirrorList(this.#mirrorsOf(watched)) }
  }

  /** Pushes the report of an SR again: what the pool has of it is in doubt. */
  pushAgain(sr: string): void {
    this.#srs.get(sr)?.pusher.want('transition')
  }

  async close(): Promise<void> {
    await Promise.all([...this.#srs.values()].map(({ pusher }) => pusher.close()))
  }

  #watch(selection: SrSelection, at: number): void {
    const { uuid } = selection
    const pusher = new ReportPusher(() => this.#makeReport(uuid), this.#options.sink, this.#options.pushPace)
    this.#srs.set(uuid, new WatchedSr(selection, at, pusher))
    // The push makes its report at once, of the SRs that are watched by then.
    pusher.want('transition')
  }

  #hear(backend: Backend, wholeAt: number | null | undefined): void {
    const { silence } = this.#options
    if (silence !== undefined) this.#views[backend].hear(wholeAt, silence.steadyNow())
  }

  #settle(backend: Backend, doubt: string | null, at: number, step: Step): void {
    const view = this.#views[backend]
    view.doubtSource(doubt)
    if (view.isWhole) this.#places.loseUntold(backend, at, step)
    this.#places.miss(backend, view.isWhole, at, step)
    this.#tell(step, at)
  }

  #expect(backend: Backend, { mirrors, doubt }: Expected, at: number, step: Step): void {
    const view = this.#views[backend]
    this.#places.rosters[backend].expect(mirrors, at, view.isConfigured)
    if (backend === 'drbd') this.#judgeAnew(this.#places.expectPeers(mirrors, at, view.isConfigured), at, step)
    view.doubtConfiguration(doubt)
    this.#places.miss(backend, view.isWhole, at, step)
  }

  #judge(volume: DrbdVolume, place: Place, when: When, step: Step): void {
    // The events of DRBD 8.4 carry no progress, so there silence proves nothing.
    const silenceMeansStall = volume.family === '9'
    const drbd = counted(volume, place)
    const judgement = judgeDrbdVolume(drbd, place.configured)
    this.#places.observe(place, { judgement, silenceMeansStall, drbd, ...when }, step)
  }

  /** Other peers are expected of these. What the source cannot show now it reports again when its doubt is over. */
  #judgeAnew(places: readonly Place[], at: number, step: Step): void {
    for (const place of places) {
      const volume = this.#options.drbdVolume(place.mirror.mirror)
      if (volume !== null) this.#judge(volume, place, { at }, step)
    }
  }

  readonly #absence = (sr: WatchedSr) => this.#presence.absence(sr)

  #tell(step: Step, at: number): void {
    for (const [uuid, sr] of this.#srs) {
      const changes = step.of(sr)
      const { doubtLasts } = sr.fold
      const edges = sr.apply(changes, this.#views, this.#absence, at)
      if (edges.length > 0) {
        this.#changedSeqs.set(uuid, this.#seq + 1)
        const status = this.#statusOf(sr, at)
        for (const edge of edges) this.#options.witness(uuid, edge, statusDuring(status, edge, changes))
        sr.pusher.want('transition')
      } else if (changes.some(isWorse)) {
        // What the pool knows may let a host go that has the last good copy now.
        this.#changedSeqs.set(uuid, this.#seq + 1)
        sr.pusher.want(sr.mayHurry(at) ? 'transition' : 'news')
      } else if (changes.length > 0 || sr.fold.doubtLasts !== doubtLasts) sr.pusher.want('news')
    }
  }

  #statusOf(sr: WatchedSr, now: number): SrStatus {
    const telling = this.#mirrors.telling().filter(({ mirror }) => this.#places.get(mirror)?.srs.includes(sr) === true)
    return sr.fold.status(this.#mirrors.withReasons(telling, now))
  }

  #mirrorsOf(sr: WatchedSr): Iterable<TrackedMirror> {
    return this.#places.of(sr)
  }

  #makeReport(uuid: string): Report {
    const sr = this.#srs.get(uuid)
    if (sr === undefined) throw new Error(`SR ${uuid} is not watched`)
    const now = this.#options.now()
    const status = this.#statusOf(sr, now)
    this.#seq += 1
    return {
      schema: 1,
      host: this.#options.host,
      sr: uuid,
      bootId: this.#options.boot.id,
      seq: this.#seq,
      at: new Date(now).toISOString(),
      ...status,
      since: new Date(status.since).toISOString(),
      ...(status.state === 'unknown' ? {} : { listSeq: sr.listSeq(this.#seq) }),
    }
  }
}

/** The status of an SR at an edge that is over already: a resync that began and ended between two looks. */
function statusDuring(status: SrStatus, { at, to }: Transition, changes: readonly MirrorChange[]): SrStatus {
  if (to !== 'resyncing' || status.state === 'resyncing') return status
  const mirrors = { ...status.mirrors }
  for (const { passed, after } of changes) {
    if (passed === null || after === null) continue
    mirrors[after.state] -= 1
    mirrors.resyncing += 1
  }
  return { ...status, state: to, since: at, mirrors, outOfSyncBytes: null }
}

/** A mirror is in a worse state than it was, or is new and not in sync. */
function isWorse({ before, after }: MirrorChange): boolean {
  if (after === null) return false
  return SYNC_STATES.indexOf(after.state) < SYNC_STATES.indexOf(before?.state ?? 'synced')
}

/** Without the peers that are no part of the redundancy of any SR this volume belongs to. */
function counted(volume: DrbdVolume, { ignored }: Place): DrbdVolume {
  if (ignored.size === 0) return volume
  const peers = volume.peers.filter(({ peer }) => !ignored.has(peer))
  return { ...volume, peers, removedPeers: volume.removedPeers.filter(peer => !ignored.has(peer)) }
}
