import type { Observation } from '../judge/judgement.ts'
import type { Reason } from '../reason/reason.ts'
import { isHeldBackByPeer } from '../reason/resync-waiting.ts'
import type { Transition } from '../transition.ts'
import type { MarksMemory } from './marks/marks-memory.ts'
import type { MirrorShare } from './mirror-share.ts'
import { type Patience, SharedByMirrors } from './shared-by-mirrors.ts'
import { TrackedMirror } from './tracked-mirror.ts'

/** A change of one mirror, for sums over mirrors. */
export interface ShareChange {
  readonly mirror: string
  /** Its share of the sums before; `null`: it was not part of them. */
  readonly before: MirrorShare | null
  /** Its share from now on; `null`: it is gone. */
  readonly after: MirrorShare | null
  /** The configuration moved it into or out of an SR; the mirror itself did not change. */
  readonly moved: boolean
  /** The list of mirrors changed: this mirror's state, or where its replicas are. */
  readonly changesList: boolean
  /** Its share for a moment between `before` and `after`: a resync that began and ended between two readings. */
  readonly passed: MirrorShare | null
  readonly transitions: readonly Transition[]
}

/** A mirror with its reasons at one moment. */
export interface MirrorWithReasons {
  readonly mirror: TrackedMirror
  readonly reasons: readonly Reason[]
}

/**
 * All mirrors of one host with their histories.
 *
 * Invariants: `#listed` contains each mirror with reasons (every mirror that is not synced has one) and, until the next query, some that
 * had reasons or are gone: a list that is only appended to, with a mark on each mirror, needs no search among 10 000; `#running` counts
 * the mirrors whose data moves; `#pauses` contains those with an operator's pause. So an observation costs the same with 10 mirrors or
 * 10 000.
 */
export class HostMirrors {
  readonly #shared: SharedByMirrors
  readonly #mirrors = new Map<string, TrackedMirror>()
  #listed: TrackedMirror[] = []
  readonly #pauses = new Set<TrackedMirror>()
  #running = 0
  /** Since when no resync runs on this host; `null`: one runs. */
  #stillSince: number | null = null

  /** @param marks remembered by an earlier run */
  constructor(patience?: Patience, marks?: MarksMemory) {
    this.#shared = new SharedByMirrors(patience, marks)
  }

  /** Returns the mirror of that name, which it creates if there is none. */
  begin(name: string): TrackedMirror {
    const known = this.#mirrors.get(name)
    if (known !== undefined) return known
    const mirror = new TrackedMirror(name, this.#shared)
    this.#mirrors.set(name, mirror)
    return mirror
  }

  /** Adds a reading of one mirror. @param mirror the result of `begin`; keeping it saves a search by name at each event */
  observe(seen: Observation, mirror: TrackedMirror = this.begin(seen.judgement.mirror)): ShareChange {
    const before = mirror.wasRead ? mirror.share() : null
    const placementBefore = mirror.placement
    const transitions = mirror.observe(seen)
    const after = mirror.share()
    if (mirror.hasReasons && !mirror.isListed) {
      mirror.isListed = true
      this.#listed.push(mirror)
    }
    this.#count(mirror, before, after, seen.at)
    const changesList = before?.state !== after.state || mirror.placement !== placementBefore
    const passed = passedThrough(after, transitions)
    return { mirror: mirror.mirror, before, after, moved: false, changesList, passed, transitions }
  }

  /** Removes a mirror that is gone from the kernel. `null`: there was none. */
  remove(name: string, now: number): ShareChange | null {
    const mirror = this.#mirrors.get(name)
    if (mirror === undefined) return null
    const before = mirror.share()
    this.#mirrors.delete(name)
    mirror.isListed = false
    this.#count(mirror, before, null, now)
    return { mirror: name, before, after: null, moved: false, changesList: true, passed: null, transitions: [] }
  }

  /** The change for an SR to which the configuration adds a mirror. `null`: there is no such mirror. */
  joining(name: string): ShareChange | null {
    const after = this.#mirrors.get(name)?.share()
    if (after === undefined) return null
    return { mirror: name, before: null, after, moved: true, changesList: true, passed: null, transitions: [] }
  }

  /** The change for an SR from which the configuration removes a mirror. `null`: there is no such mirror. */
  leaving(name: string): ShareChange | null {
    const before = this.#mirrors.get(name)?.share()
    if (before === undefined) return null
    return { mirror: name, before, after: null, moved: true, changesList: true, passed: null, transitions: [] }
  }

  /** The mirrors with reasons. Costs one step per such mirror. */
  mirrorsWithReasons(): readonly TrackedMirror[] {
    this.#listed = this.#listed.filter(mirror => {
      mirror.isListed &&= mirror.hasReasons
      return mirror.isListed
    })
    return this.#listed
  }

  *reasonsOf(mirrors: Iterable<TrackedMirror>, now: number): Generator<MirrorWithReasons> {
    for (const mirror of mirrors) yield { mirror, reasons: this.reasons(mirror, now) }
  }

  /** Lets time pass and returns the changed mirrors. Costs one step per mirror that is not at rest. */
  tick(now: number): ShareChange[] {
    const changes: ShareChange[] = []
    for (const mirror of this.mirrorsWithReasons()) {
      const { etaSeconds, trend, overdue, state } = mirror
      // The share of a mirror at rest does not depend on time.
      const before = state === 'resyncing' ? mirror.share() : null
      const transitions = mirror.age(now)
      const isSame = mirror.etaSeconds === etaSeconds && mirror.trend === trend && mirror.overdue === overdue
      if (transitions.length === 0 && isSame) continue
      const after = mirror.share()
      changes.push({
        mirror: mirror.mirror,
        before: before ?? after,
        after,
        moved: false,
        changesList: false,
        passed: null,
        transitions,
      })
    }
    return changes
  }

  get(name: string): TrackedMirror | null {
    return this.#mirrors.get(name) ?? null
  }

  names(): IterableIterator<string> {
    return this.#mirrors.keys()
  }

  get size(): number {
    return this.#mirrors.size
  }

  /**
   * The reasons of a mirror at `now`. A resync that waits while none runs on this host waits for ever (DRBD 9.2: a pause left on another
   * resource, or on the other side): it needs an operator, and the reason names the place.
   */
  reasons(mirror: TrackedMirror, now: number): readonly Reason[] {
    const inVain = this.#stillSince !== null && now - this.#stillSince >= this.#shared.patience.waitingInVainAfterMs
    if (!inVain) return mirror.reasons
    return mirror.reasons.map(each => {
      if (each.code !== 'resync-waiting') return each
      if (isHeldBackByPeer(each)) return { ...each, clearedBy: 'operator', waitsFor: each.peer }
      // A limit of parallel resyncs (9.3) cannot be the cause while none runs.
      if (each.word?.includes('parallel') === true) return { ...each, clearedBy: 'operator' }
      if (each.word?.includes('dependency') !== true) return each
      const waitsFor = this.#pauses.values().next().value?.pauseAt ?? null
      return { ...each, clearedBy: 'operator', ...(waitsFor === null ? {} : { waitsFor }) }
    })
  }

  #count(mirror: TrackedMirror, before: MirrorShare | null, after: MirrorShare | null, now: number): void {
    if (before === after) return
    if (after?.heldBack === true) this.#pauses.add(mirror)
    else if (before?.heldBack === true) this.#pauses.delete(mirror)
    this.#running += Number(after?.moving === true) - Number(before?.moving === true)
    if (this.#running > 0) this.#stillSince = null
    else this.#stillSince ??= now
  }
}

function passedThrough(after: MirrorShare, transitions: readonly Transition[]): MirrorShare | null {
  const isOver = after.state !== 'resyncing' && transitions.some(({ to }) => to === 'resyncing')
  return isOver ? { ...after, state: 'resyncing', moving: false } : null
}
