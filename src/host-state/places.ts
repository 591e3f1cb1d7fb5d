import { DEFAULT_EXPECTATION_PACE, type ExpectationPace } from '../agent/expectations.ts'
import type { Step } from '../agent/step.ts'
import type { TrackedMirror } from '../sync-query/history/tracked-mirror.ts'
import type { ConfiguredPeers } from '../sync-query/judge/configured-peers.ts'
import type { Observation } from '../sync-query/judge/judgement.ts'
import type { HostMirrors } from '../sync-query/sr-state/host-mirrors.ts'
import type { Backend } from './backend-view.ts'
import type { ExpectedMirror } from './expected-mirrors.ts'
import { judgeMissed } from './judge-missed.ts'
import { PeerExpectations } from './peer-expectations.ts'
import { Roster } from './roster.ts'
import { type SrSelection, SrSelector } from './sr-selection.ts'
import type { WatchedSr } from './watched-sr.ts'

/** One mirror, and where it belongs. What each event needs stands first: of 10 000 mirrors none is in the processor's cache. */
export interface Place {
  readonly mirror: TrackedMirror
  /** The present source has told of it; one before it may have. */
  isTold: boolean
  srs: readonly WatchedSr[]
  /** Peers that no SR of this mirror counts. */
  ignored: ReadonlySet<string>
  /** The peers that it should have and that are not ignored; `null`: no configuration names it. */
  configured: ConfiguredPeers | null
  /** The kernel shows it. Otherwise it is missed. */
  readonly isShown: boolean
  readonly backend: Backend
  /** What patterns may call it. */
  readonly names: readonly string[]
}

export type Unwatched = Readonly<Record<Backend, readonly string[]>>

const NO_PEERS: ReadonlySet<string> = new Set()

/**
 * Which mirrors this host has, shown by the kernel or missed, and to which SRs each belongs. All changes go into a step, for
 * they are true only together.
 *
 * Invariants: there is a place for exactly the mirrors of `#mirrors`, so no event costs a match of patterns, and one look-up by
 * name is all that it costs; one is shown exactly if its roster says so; a mirror that is missed shares its place with none that
 * is shown, whose names may be others.
 */
export class Places {
  readonly rosters: Readonly<Record<Backend, Roster>>
  readonly #mirrors: HostMirrors
  readonly #peers: PeerExpectations
  readonly #places = new Map<string, Place>()
  /** An earlier source may have told of mirrors that the present one has not (yet). */
  readonly #hasUntold: Record<Backend, boolean> = { drbd: false, md: false }
  #selector = new SrSelector([])
  #srs: ReadonlyMap<string, WatchedSr> = new Map()
  /** `null`: mirrors have come, gone or moved since it was found out. */
  #unwatched: Unwatched | null = null

  constructor(mirrors: HostMirrors, pace: ExpectationPace = DEFAULT_EXPECTATION_PACE) {
    this.#mirrors = mirrors
    this.#peers = new PeerExpectations(pace)
    this.rosters = { drbd: new Roster(pace), md: new Roster(pace) }
  }

  get(mirror: string): Place | undefined {
    return this.#places.get(mirror)
  }

  /** @param backend only mirrors that the kernel shows, and of this backend */
  *of(sr: WatchedSr, backend?: Backend): Generator<TrackedMirror> {
    for (const place of this.#places.values()) {
      if (!place.srs.includes(sr)) continue
      if (backend === undefined || (place.backend === backend && place.isShown)) yield place.mirror
    }
  }

  /** DRBD resources and md arrays that are here or should be, and that no SR has, by name. */
  unwatched(): Unwatched {
    this.#unwatched ??= this.#findUnwatched()
    return this.#unwatched
  }

  #findUnwatched(): Unwatched {
    const found = { drbd: new Set<string>(), md: new Set<string>() }
    for (const { backend, srs, names, mirror } of this.#places.values()) {
      if (srs.length === 0) found[backend].add(names[0] ?? mirror.mirror)
    }
    return { drbd: [...found.drbd].sort(), md: [...found.md].sort() }
  }

  /** The source of a backend tells of a mirror. @param namesOf what patterns may call it */
  see(backend: Backend, mirror: string, namesOf: () => readonly string[], at: number, step: Step): Place {
    const known = this.#places.get(mirror)
    if (known?.isTold === true) return known
    const names = namesOf()
    if (known?.isShown === true) {
      known.isTold = true
      if (names.join('\n') === known.names.join('\n')) return known
      // Another array was made under that name while no source looked.
      this.rosters[backend].lose(mirror)
    }
    if (known !== undefined) this.#forget(known, at, step)
    this.rosters[backend].see(mirror, names)
    return this.#add(backend, mirror, names, true)
  }

  observe(place: Place, seen: Observation, step: Step): void {
    step.add(place.srs, this.#mirrors.observe(seen, place.mirror))
  }

  /** The kernel shows mirrors no more. */
  lose(backend: Backend, mirrors: readonly string[], at: number, step: Step): void {
    for (const mirror of mirrors) {
      const place = this.#places.get(mirror)
      if (place?.isShown !== true) continue
      this.rosters[backend].lose(mirror)
      this.#peers.lose(mirror)
      this.#forget(place, at, step)
    }
  }

  /** Another source will begin, which knows nothing of what was told. */
  loseSource(backend: Backend): void {
    this.#hasUntold[backend] = true
    for (const place of this.#places.values()) if (place.backend === backend) place.isTold = false
  }

  /** The source of a backend has told of all there is: what an earlier one told and it did not is gone. */
  loseUntold(backend: Backend, at: number, step: Step): void {
    if (!this.#hasUntold[backend]) return
    this.#hasUntold[backend] = false
    const untold = [...this.#places.values()].filter(each => each.backend === backend && each.isShown && !each.isTold)
    const gone = untold.map(({ mirror }) => mirror.mirror)
    this.lose(backend, gone, at, step)
  }

  /** Misses what a backend should have and does not show. @param whole as of Roster.settle */
  miss(backend: Backend, whole: boolean, at: number, step: Step): void {
    const { missed, notMissed } = this.rosters[backend].settle(whole, at)
    for (const mirror of notMissed) {
      const place = this.#places.get(mirror)
      if (place?.isShown === false) this.#forget(place, at, step)
    }
    for (const expected of missed) this.#addMissed(backend, expected, at, step)
  }

  /**
   * Takes in which peers DRBD volumes should have.
   *
   * @param knewAll as of PeerExpectations.replace
   * @returns the volumes that the kernel shows and that have to be judged anew
   */
  expectPeers(expected: readonly ExpectedMirror[], at: number, knewAll: boolean): Place[] {
    const isShown = (mirror: string) => this.#places.get(mirror)?.isShown === true
    return this.#takePeers(this.#peers.replace(expected, at, knewAll, isShown))
  }

  /** Lets time pass. @returns as of `expectPeers` */
  passPeers(at: number): Place[] {
    return this.#takePeers(this.#peers.pass(at))
  }

  #takePeers(mirrors: readonly string[]): Place[] {
    return mirrors.flatMap(mirror => {
      const place = this.#places.get(mirror)
      if (place?.isShown !== true) return []
      place.configured = this.#configuredOf(mirror, place.ignored)
      return [place]
    })
  }

  #configuredOf(mirror: string, ignored: ReadonlySet<string>): ConfiguredPeers | null {
    const configured = this.#peers.get(mirror)
    if (configured === null || ignored.size === 0) return configured
    const peers = configured.peers.filter(({ names }) => !names.some(name => ignored.has(name)))
    return { ...configured, peers }
  }

  /** Takes each mirror out of the SRs it has left and into those it has joined. @param srs those that are watched, by UUID */
  select(selections: readonly SrSelection[], srs: ReadonlyMap<string, WatchedSr>, step: Step): void {
    this.#selector = new SrSelector(selections)
    this.#srs = srs
    for (const place of this.#places.values()) this.#move(place, step)
  }

  #add(backend: Backend, name: string, names: readonly string[], isShown: boolean): Place {
    const srs = this.#srsOf(backend, names)
    const mirror = this.#mirrors.begin(name)
    const ignored = ignoredBy(srs)
    const configured = backend === 'drbd' && isShown ? this.#configuredOf(name, ignored) : null
    const place = { mirror, isTold: isShown, srs, ignored, configured, isShown, backend, names }
    this.#places.set(name, place)
    this.#unwatched = null
    for (const sr of srs) sr.hold(backend, isShown)
    return place
  }

  #addMissed(backend: Backend, expected: ExpectedMirror, at: number, step: Step): void {
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
    if (place.backend === 'drbd' && place.isShown) place.configured = this.#configuredOf(mirror, place.ignored)
  }

  #srsOf(backend: Backend, names: readonly string[]): WatchedSr[] {
    return this.#selector.srsOf(backend, names).flatMap(uuid => this.#srs.get(uuid) ?? [])
  }
}

function ignoredBy(srs: readonly WatchedSr[]): ReadonlySet<string> {
  const [first, ...others] = srs
  if (first === undefined || first.ignorePeers.size === 0) return NO_PEERS
  return new Set([...first.ignorePeers].filter(peer => others.every(({ ignorePeers }) => ignorePeers.has(peer))))
}
