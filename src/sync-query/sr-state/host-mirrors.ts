import type { MarksMemory } from '../history/marks-memory.ts'
import { TrackedMirror } from '../history/tracked-mirror.ts'
import type { Observation } from '../judge/judgement.ts'
import type { Reason } from '../reason/reason.ts'
import { isHeldBackByPeer } from '../reason/resync-waiting.ts'
import type { MirrorShare } from './mirror-share.ts'
import { type Patience, SharedByMirrors } from './shared-by-mirrors.ts'
import type { Transition } from './transition.ts'

/** A change of one mirror, for whoever keeps sums over mirrors. */
export interface MirrorChange {
  readonly mirror: string
  /** What it added to the sums until now; `null`: it was none of theirs. */
  readonly before: MirrorShare | null
  /** What it adds from now on; `null`: it is gone. */
  readonly after: MirrorShare | null
  /** Nothing happened to it: it was only put into an SR, or taken out, by configuration. */
  readonly moved: boolean
  /** The list of mirrors is another than before: this one's state is, or where its replicas are. */
  readonly changesList: boolean
  /** What it added for a moment between `before` and `after`: a resync that began and ended between two looks. */
  readonly passed: MirrorShare | null
  readonly transitions: readonly Transition[]
}

/** A mirror, and why it is as it is at one moment. */
export interface MirrorWithReasons {
  readonly mirror: TrackedMirror
  readonly reasons: readonly Reason[]
}

/**
 * All mirrors of one host with their histories.
 *
 * Invariants: `#telling` holds each mirror that has any reason to give (whatever is not synced has one) and, until somebody
 * asks, some that had or that are gone: a list that is only added to, with a mark on each mirror, costs no look-up among
 * 10 000; `#running` counts those whose data moves; `#pauses` holds those on which an operator's pause stands.
 * So an observation costs the same with 10 mirrors or 10 000.
 */
export class HostMirrors {
  readonly #shared: SharedByMirrors
  readonly #mirrors = new Map<string, TrackedMirror>()
  #telling: TrackedMirror[] = []
  readonly #pauses = new Set<TrackedMirror>()
  #running = 0
  /** Since when no resync runs on this host; `null` while one does. */
  #stillSince: number | null = null

  /** @param marks what an earlier run has remembered of marks */
  constructor(patience?: Patience, marks?: MarksMemory) {
    this.#shared = new SharedByMirrors(patience, marks)
  }

  /** The mirror of that name: the one there is, or a new one. */
  begin(name: string): TrackedMirror {
    const known = this.#mirrors.get(name)
    if (known !== undefined) return known
    const mirror = new TrackedMirror(name, this.#shared)
    this.#mirrors.set(name, mirror)
    return mirror
  }

  /** Adds one look at one mirror. @param mirror what `begin` gives; who keeps it saves a look-up by name at each event */
  observe(seen: Observation, mirror: TrackedMirror = this.begin(seen.judgement.mirror)): MirrorChange {
    const before = mirror.wasLookedAt ? mirror.share() : null
    const placementBefore = mirror.placement
    const transitions = mirror.look(seen)
    const after = mirror.share()
    if (mirror.tells && !mirror.isListed) {
      mirror.isListed = true
      this.#telling.push(mirror)
    }
    this.#count(mirror, before, after, seen.at)
    const changesList = before?.state !== after.state || mirror.placement !== placementBefore
    const passed = passedThrough(after, transitions)
    return { mirror: mirror.mirror, before, after, moved: false, changesList, passed, transitions }
  }

  /** Forgets a mirror that is gone from the kernel. `null` if it was not known. */
  remove(name: string, now: number): MirrorChange | null {
    const mirror = this.#mirrors.get(name)
    if (mirror === undefined) return null
    const before = mirror.share()
    this.#mirrors.delete(name)
    mirror.isListed = false
    this.#count(mirror, before, null, now)
    return { mirror: name, before, after: null, moved: false, changesList: true, passed: null, transitions: [] }
  }

  /** What an SR is told of a mirror that by its configuration belongs to it from now on. `null` if it is not known. */
  joining(name: string): MirrorChange | null {
    const after = this.#mirrors.get(name)?.share()
    if (after === undefined) return null
    return { mirror: name, before: null, after, moved: true, changesList: true, passed: null, transitions: [] }
  }

  /** What an SR is told of a mirror that by its configuration belongs to it no longer. `null` if it is not known. */
  leaving(name: string): MirrorChange | null {
    const before = this.#mirrors.get(name)?.share()
    if (before === undefined) return null
    return { mirror: name, before, after: null, moved: true, changesList: true, passed: null, transitions: [] }
  }

  /** The mirrors that have reasons to give. Costs one step per such mirror. */
  telling(): readonly TrackedMirror[] {
    this.#telling = this.#telling.filter(mirror => {
      mirror.isListed &&= mirror.tells
      return mirror.isListed
    })
    return this.#telling
  }

  *withReasons(mirrors: Iterable<TrackedMirror>, now: number): Generator<MirrorWithReasons> {
    for (const mirror of mirrors) yield { mirror, reasons: this.reasons(mirror, now) }
  }

  /** Lets time pass: returns only the mirrors that it changed. Costs one step per mirror that is not at rest. */
  tick(now: number): MirrorChange[] {
    const changes: MirrorChange[] = []
    for (const mirror of this.telling()) {
      const { etaSeconds, trend, overdue, state } = mirror
      // What is at rest adds the same to sums at any age.
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
   * The reasons of a mirror as they stand at `now`. A resync that waits while none runs on this host will wait for ever (DRBD
   * 9.2: a pause forgotten on another resource, or on the other side): it needs an operator, who is told where to look.
   */
  reasons(mirror: TrackedMirror, now: number): readonly Reason[] {
    const inVain = this.#stillSince !== null && now - this.#stillSince >= this.#shared.patience.waitingInVainAfterMs
    if (!inVain) return mirror.reasons
    return mirror.reasons.map(each => {
      if (each.code !== 'resync-waiting') return each
      if (isHeldBackByPeer(each)) return { ...each, clearedBy: 'operator', waitsFor: each.peer }
      // Of a limit of parallel resyncs (9.3) none would be left.
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
