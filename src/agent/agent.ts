import type { DrbdVolume } from '../sync-query/drbd.ts'
import { HostMirrors, type MirrorWithReasons } from '../sync-query/host-mirrors.ts'
import { judgeDrbdVolume } from '../sync-query/judge-drbd.ts'
import { judgeMdArray } from '../sync-query/judge-md.ts'
import type { MdArray } from '../sync-query/md.ts'
import { mirrorList } from '../sync-query/mirror-list.ts'
import type { Report } from '../sync-query/report.ts'
import type { SrStatus } from '../sync-query/sr-fold.ts'
import type { TrackedMirror } from '../sync-query/tracked-mirror.ts'
import type { Transition } from '../sync-query/transition.ts'
import type { PresentMirrors } from '../volume-plugin/index.ts'
import { BACKENDS, type Backend, BackendView } from './backend-view.ts'
import type { ExpectationPace } from './expectations.ts'
import { drbdNames, type ExpectedMirror, mdNames } from './expected-mirrors.ts'
import type { HostBoot } from './host-boot.ts'
import type { SrMemory } from './mirror-memory.ts'
import { type Place, Places, type Unwatched } from './places.ts'
import { type PushPace, ReportPusher, type ReportSink } from './report-pusher.ts'
import { SrPresence } from './sr-presence.ts'
import { resourceOf, type SrSelection } from './sr-selection.ts'
import { Step } from './step.ts'
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
  /** Told of every edge of an SR's state, in order. Must not throw. */
  readonly witness: (sr: string, transition: Transition, status: SrStatus) => void
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
}

/** Which mirrors of a backend should be there. */
interface Expected {
  readonly mirrors: readonly ExpectedMirror[]
  /** `null`: these are all. Otherwise in a few words why there may be more. */
  readonly doubt: string | null
}

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
  readonly #mirrors = new HostMirrors()
  readonly #places: Places
  readonly #views: Readonly<Record<Backend, BackendView>> = { drbd: new BackendView(), md: new BackendView() }
  readonly #srs = new Map<string, WatchedSr>()
  readonly #presence: SrPresence
  #seq: number

  constructor(options: HostAgentOptions) {
    this.#options = options
    this.#places = new Places(this.#mirrors, options.expectationPace)
    const { memory, hostname } = options
    this.#presence = new SrPresence({ places: this.#places, views: this.#views, memory, hostname })
    this.#seq = options.boot.firstSeq
    this.select(options.srs)
  }

  /** Takes in what DRBD's source has learnt. */
  applyDrbd({ at, changed, removed, doubt }: SourceUpdate<DrbdVolume>): void {
    const step = new Step()
    this.#places.lose('drbd', removed, at, step)
    for (const volume of changed) {
      const { mirror } = volume
      const place = this.#places.see('drbd', mirror, () => drbdNames(mirror), at, step)
      this.#judge(volume, place, at, step)
    }
    this.#settle('drbd', doubt, at, step)
  }

  /** Takes in what md's source has learnt. */
  applyMd({ at, changed, removed, doubt }: SourceUpdate<MdArray>): void {
    const step = new Step()
    this.#places.lose('md', removed, at, step)
    for (const array of changed) {
      const { name, uuid } = array
      const place = this.#places.see('md', name, () => mdNames(name, uuid), at, step)
      this.#places.observe(place, judgeMdArray(array), at, true, step)
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
      void sr.pusher.close()
    }
    for (const selection of selections) {
      const known = this.#srs.get(selection.uuid)
      if (known === undefined) this.#srs.set(selection.uuid, this.#watch(selection, at))
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
   * Lets time pass: stalls are found, old estimates are dropped, what is new and has not come up is missed. To be called about
   * once a second.
   */
  tick(): void {
    const now = this.#options.now()
    const step = new Step()
    for (const change of this.#mirrors.tick(now)) step.add(this.#places.get(change.mirror)?.srs ?? [], change)
    for (const backend of BACKENDS) {
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

  #watch(selection: SrSelection, at: number): WatchedSr {
    const { uuid } = selection
    const pusher = new ReportPusher(() => this.#makeReport(uuid), this.#options.sink, this.#options.pushPace)
    pusher.want('transition')
    return new WatchedSr(selection, at, pusher)
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

  #judge(volume: DrbdVolume, place: Place, at: number, step: Step): void {
    // The events of DRBD 8.4 carry no progress, so there silence proves nothing.
    const silenceMeansStall = volume.family === '9'
    this.#places.observe(place, judgeDrbdVolume(counted(volume, place), place.configured), at, silenceMeansStall, step)
  }

  /** Other peers are expected of these. What the source cannot show now it reports again when its doubt is over. */
  #judgeAnew(places: readonly Place[], at: number, step: Step): void {
    for (const place of places) {
      const volume = this.#options.drbdVolume(place.mirror.mirror)
      if (volume !== null) this.#judge(volume, place, at, step)
    }
  }

  readonly #absence = (sr: WatchedSr) => this.#presence.absence(sr)

  #tell(step: Step, at: number): void {
    for (const [uuid, sr] of this.#srs) {
      const changes = step.of(sr)
      const edges = sr.apply(changes, this.#views, this.#absence, at)
      if (edges.length > 0) {
        const status = this.#statusOf(sr, at)
        for (const edge of edges) this.#options.witness(uuid, edge, status)
        sr.pusher.want('transition')
      } else if (changes.length > 0) sr.pusher.want('news')
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

/** Without the peers that are no part of the redundancy of any SR this volume belongs to. */
function counted(volume: DrbdVolume, { ignored }: Place): DrbdVolume {
  if (ignored.size === 0) return volume
  const peers = volume.peers.filter(({ peer }) => !ignored.has(peer))
  return { ...volume, peers, removedPeers: volume.removedPeers.filter(peer => !ignored.has(peer)) }
}
