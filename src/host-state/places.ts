import type { ExpectedMirror } from '../sync-query/backend.ts'
import { type BackendName, forEachBackend } from '../sync-query/backend-name.ts'
import type { HostMirrors } from '../sync-query/history/host-mirrors.ts'
import type { TrackedMirror } from '../sync-query/history/tracked-mirror.ts'
import type { ConfiguredPeers } from '../sync-query/judge/configured-peers.ts'
import type { Judgement, Observation } from '../sync-query/judge/judgement.ts'
import { reason, stateFromReasons } from '../sync-query/reason/reason.ts'
import { DEFAULT_EXPECTATION_PACE, type ExpectationPace } from './expectations.ts'
import { PeerExpectations } from './peer-expectations.ts'
import { Roster } from './roster.ts'
import { type SrSelection, SrSelector } from './sr-selection.ts'
import type { Step } from './step.ts'
import type { WatchedSr } from './watched-sr.ts'

/** One mirror and its SRs. The fields that each event needs come first, because with 10 000 mirrors none is in the CPU cache. */
export interface Place {
  readonly mirror: TrackedMirror
  /** The present source has reported it. Otherwise only an earlier source has. */
  isReported: boolean
  srs: readonly WatchedSr[]
  /** Peers that all SRs of this mirror ignore. */
  ignored: ReadonlySet<string>
  /** The peers that it should have, without the ignored ones; `null`: no configuration names it. */
  configured: ConfiguredPeers | null
  /** The kernel shows it. Otherwise it is missing. */
  readonly isShown: boolean
  readonly backend: BackendName
  /** Every name that a pattern may match. */
  readonly names: readonly string[]
}

export type Unwatched = Readonly<Record<BackendName, readonly string[]>>

const NO_PEERS: ReadonlySet<string> = new Set()

/**
 * The mirrors of this host, in the kernel or missing, and the SRs of each. All changes go into a step, because they are true only
 * together.
 *
 * Invariants: there is a place for exactly the mirrors in `#mirrors`, so an event costs one look-up by name and no pattern match; a
 * place is shown exactly if the roster says so; a missing mirror and a shown one never share a place, because their names may
 * differ.
 */
export class Places {
  readonly rosters: Readonly<Record<BackendName, Roster>>
  readonly #mirrors: HostMirrors
  readonly #peers: Readonly<Record<BackendName, PeerExpectations>>
  readonly #places = new Map<string, Place>()
  /** An earlier source may have reported mirrors that the present one has not reported (yet). */
  readonly #hasUnreported: Record<BackendName, boolean> = forEachBackend(() => false)
  #selector = new SrSelector([])
  #srs: ReadonlyMap<string, WatchedSr> = new Map()
  /** `null`: mirrors have appeared, disappeared or moved since it was computed. */
  #unwatched: Unwatched | null = null

  constructor(mirrors: HostMirrors, pace: ExpectationPace = DEFAULT_EXPECTATION_PACE) {
    this.#mirrors = mirrors
    this.#peers = forEachBackend(() => new PeerExpectations(pace))
    this.rosters = forEachBackend(() => new Roster(pace))
  }

  get(mirror: string): Place | undefined {
    return this.#places.get(mirror)
  }

  /** The mirrors of an SR. @param backend only those of this backend that the kernel shows */
  *of(sr: WatchedSr, backend?: BackendName): Generator<TrackedMirror> {
    for (const place of this.#places.values()) {
      if (!place.srs.includes(sr)) continue
      if (backend === undefined || (place.backend === backend && place.isShown)) yield place.mirror
    }
  }

  /** The mirrors that exist or should exist and that belong to no SR, by the name that operators use. */
  unwatched(): Unwatched {
    this.#unwatched ??= this.#findUnwatched()
    return this.#unwatched
  }

  #findUnwatched(): Unwatched {
    const found = forEachBackend(() => new Set<string>())
    for (const { backend, srs, names, mirror } of this.#places.values()) {
      if (srs.length === 0) found[backend].add(names[0] ?? mirror.mirror)
    }
    return forEachBackend(backend => [...found[backend]].sort())
  }

  /** The place of a mirror that the present source has reported before, as in nearly every event. */
  reported(mirror: string): Place | undefined {
    const known = this.#places.get(mirror)
    return known?.isReported === true ? known : undefined
  }

  /** The source of a backend reports a mirror for the first time. @param names every name that a pattern may match */
  report(backend: BackendName, mirror: string, names: readonly string[], at: number, step: Step): Place {
    const known = this.#places.get(mirror)
    if (known?.isShown === true) {
      known.isReported = true
      if (names.join('\n') === known.names.join('\n')) return known
      // While no source ran, another array was made under this name.
      this.rosters[backend].remove(mirror)
    }
    if (known !== undefined) this.#forget(known, at, step)
    this.rosters[backend].add(mirror, names)
    return this.#add(backend, mirror, names, true)
  }

  observe(place: Place, seen: Observation, step: Step): void {
    step.add(place.srs, this.#mirrors.observe(seen, place.mirror))
  }

  /** The kernel no longer has these mirrors. */
  remove(backend: BackendName, mirrors: readonly string[], at: number, step: Step): void {
    for (const mirror of mirrors) {
      const place = this.#places.get(mirror)
      if (place?.isShown !== true) continue
      this.rosters[backend].remove(mirror)
      this.#peers[backend].remove(mirror)
      this.#forget(place, at, step)
    }
  }

  /** The source has ended. The next one starts without its knowledge. */
  loseSource(backend: BackendName): void {
    this.#hasUnreported[backend] = true
    for (const place of this.#places.values()) if (place.backend === backend) place.isReported = false
  }

  /** The source has reported every mirror: what only an earlier one has reported no longer exists. */
  removeUnreported(backend: BackendName, at: number, step: Step): void {
    if (!this.#hasUnreported[backend]) return
    this.#hasUnreported[backend] = false
    const places = [...this.#places.values()]
    const unreported = places.filter(each => each.backend === backend && each.isShown && !each.isReported)
    const removed = unreported.map(({ mirror }) => mirror.mirror)
    this.remove(backend, removed, at, step)
  }

  /** Adds the mirrors that a backend should show and does not, and removes those that it shows now. @param whole as in `Roster.settle` */
  miss(backend: BackendName, whole: boolean, at: number, step: Step): void {
    const { missed, notMissed } = this.rosters[backend].settle(whole, at)
    for (const mirror of notMissed) {
      const place = this.#places.get(mirror)
      if (place?.isShown === false) this.#forget(place, at, step)
    }
    for (const expected of missed) this.#addMissed(backend, expected, at, step)
  }

  /**
   * Replaces the peers that mirrors should have.
   *
   * @param knewAll as in `PeerExpectations.replace`
   * @returns the mirrors to judge again: the kernel shows them, and their peers have changed
   */
  expectPeers(backend: BackendName, expected: readonly ExpectedMirror[], at: number, knewAll: boolean): string[] {
    const isShown = (mirror: string) => this.#places.get(mirror)?.isShown === true
    return this.#updatePeers(backend, this.#peers[backend].replace(expected, at, knewAll, isShown))
  }

  /** Peers whose grace period is over count from now on. @returns as `expectPeers` */
  findDuePeers(backend: BackendName, at: number): string[] {
    return this.#updatePeers(backend, this.#peers[backend].findDue(at))
  }

  #updatePeers(backend: BackendName, mirrors: readonly string[]): string[] {
    return mirrors.filter(mirror => {
      const place = this.#places.get(mirror)
      if (place?.isShown !== true) return false
      place.configured = this.#configuredOf(backend, mirror, place.ignored)
      return true
    })
  }

  #configuredOf(backend: BackendName, mirror: string, ignored: ReadonlySet<string>): ConfiguredPeers | null {
    const configured = this.#peers[backend].get(mirror)
    if (configured === null || ignored.size === 0) return configured
    const peers = configured.peers.filter(({ names }) => !names.some(name => ignored.has(name)))
    return { ...configured, peers }
  }

  /** Moves each mirror to the SRs that select it now. @param srs the watched SRs, by UUID */
  select(selections: readonly SrSelection[], srs: ReadonlyMap<string, WatchedSr>, step: Step): void {
    this.#selector = new SrSelector(selections)
    this.#srs = srs
    for (const place of this.#places.values()) this.#move(place, step)
  }

  #add(backend: BackendName, name: string, names: readonly string[], isShown: boolean): Place {
    const srs = this.#srsOf(backend, names)
    const mirror = this.#mirrors.begin(name)
    const ignored = ignoredBy(srs)
    const configured = isShown ? this.#configuredOf(backend, name, ignored) : null
    const place = { mirror, isReported: isShown, srs, ignored, configured, isShown, backend, names }
    this.#places.set(name, place)
    this.#unwatched = null
    for (const sr of srs) sr.hold(backend, isShown)
    return place
  }

  #addMissed(backend: BackendName, expected: ExpectedMirror, at: number, step: Step): void {
    const place = this.#add(backend, expected.mirror, expected.names, false)
    this.observe(place, { judgement: judgeMissed(backend, expected), at, silenceMeansStall: false }, step)
  }

  #forget({ mirror: { mirror }, srs, backend, isShown }: Place, at: number, step: Step): void {
    this.#unwatched = null
    for (const sr of srs) sr.release(backend, isShown, true)
    const change = this.#mirrors.remove(mirror, at)
    if (change !== null) step.add(srs, change)
    this.#places.delete(mirror)
  }

  #move(place: Place, step: Step): void {
    const { mirror } = place.mirror
    const srs = this.#srsOf(place.backend, place.names)
    const left = place.srs.filter(sr => !srs.includes(sr))
    const joined = srs.filter(sr => !place.srs.includes(sr))
    const leaving = this.#mirrors.leaving(mirror)
    const joining = this.#mirrors.joining(mirror)
    if (leaving !== null) step.add(left, leaving)
    if (joining !== null) step.add(joined, joining)
    for (const sr of left) sr.release(place.backend, place.isShown, false)
    for (const sr of joined) sr.hold(place.backend, place.isShown)
    this.#unwatched = null
    place.srs = srs
    place.ignored = ignoredBy(srs)
    if (place.isShown) place.configured = this.#configuredOf(place.backend, mirror, place.ignored)
  }

  #srsOf(backend: BackendName, names: readonly string[]): WatchedSr[] {
    return this.#selector.srsOf(backend, names).flatMap(uuid => this.#srs.get(uuid) ?? [])
  }
}

function ignoredBy(srs: readonly WatchedSr[]): ReadonlySet<string> {
  const [first, ...others] = srs
  if (first === undefined || first.ignorePeers.size === 0) return NO_PEERS
  return new Set([...first.ignorePeers].filter(peer => others.every(({ ignorePeers }) => ignorePeers.has(peer))))
}

/** The judgement of a mirror that should exist and that the kernel does not show. After a boot most of them are not up yet. */
function judgeMissed(backend: BackendName, { mirror, shownAs }: ExpectedMirror): Judgement {
  const reasons = [reason(shownAs.length === 0 ? 'not-comparable' : 'not-up', mirror)]
  return {
    mirror,
    backend,
    state: stateFromReasons(reasons),
    activity: 'none',
    moving: false,
    progress: null,
    doneBytes: null,
    totalBytes: null,
    outOfSyncBytes: null,
    etaSeconds: null,
    replicas: { expected: 2, current: 0 },
    reasons,
  }
}
