import type { Reason } from './reason.ts'
import { age, DEFAULT_PATIENCE, type Observation, type Patience, type TrackedMirror, track } from './tracked-mirror.ts'
import type { Transition } from './transition.ts'

/** A change of one mirror, for whoever keeps sums over mirrors. */
export interface MirrorChange {
  readonly mirror: string
  readonly before: TrackedMirror | null
  /** `null`: the mirror is gone. */
  readonly after: TrackedMirror | null
  readonly transitions: readonly Transition[]
}

/**
 * All mirrors of one host with their histories.
 *
 * Invariants: `#restless` holds exactly the mirrors whose state is `resyncing` (the only ones that time changes);
 * `#running` counts those whose data moves; `#pausedPeers` the mirrors on which an operator's pause stands.
 * So an observation costs the same with 10 mirrors or 10 000.
 */
export class HostMirrors {
  readonly #patience: Patience
  readonly #mirrors = new Map<string, TrackedMirror>()
  readonly #restless = new Map<string, TrackedMirror>()
  readonly #pauses = new Map<string, string>()
  #running = 0
  /** Since when no resync runs on this host; `null` while one does. */
  #stillSince: number | null = null

  constructor(patience: Patience = DEFAULT_PATIENCE) {
    this.#patience = patience
  }

  /** Adds one look at one mirror. */
  observe(seen: Observation): MirrorChange {
    const { mirror } = seen.judgement
    const before = this.#mirrors.get(mirror) ?? null
    const { mirror: after, transitions } = track(before, seen, this.#patience)
    this.#replace(mirror, before, after, seen.at)
    return { mirror, before, after, transitions }
  }

  /** Forgets a mirror that is gone from the kernel. `null` if it was not known. */
  remove(mirror: string, now: number): MirrorChange | null {
    const before = this.#mirrors.get(mirror)
    if (before === undefined) return null
    this.#replace(mirror, before, null, now)
    return { mirror, before, after: null, transitions: [] }
  }

  /** Lets time pass: returns only the mirrors that it changed. Costs one step per resyncing mirror. */
  tick(now: number): MirrorChange[] {
    const changes: MirrorChange[] = []
    for (const [mirror, before] of this.#restless) {
      const { mirror: after, transitions } = age(before, now, this.#patience)
      if (transitions.length === 0 && after.judgement.etaSeconds === before.judgement.etaSeconds) continue
      this.#mirrors.set(mirror, after)
      this.#restless.set(mirror, after)
      changes.push({ mirror, before, after, transitions })
    }
    return changes
  }

  get(mirror: string): TrackedMirror | null {
    return this.#mirrors.get(mirror) ?? null
  }

  names(): IterableIterator<string> {
    return this.#mirrors.keys()
  }

  get size(): number {
    return this.#mirrors.size
  }

  /**
   * The reasons of a mirror as they stand at `now`. A resync that waits for a dependency while none runs on this host will
   * wait for ever (DRBD 9.2: a pause forgotten on another resource): it needs an operator, who is told where to look.
   */
  reasons(mirror: TrackedMirror, now: number): readonly Reason[] {
    const inVain = this.#stillSince !== null && now - this.#stillSince >= this.#patience.waitingInVainAfterMs
    if (!inVain) return mirror.judgement.reasons
    return mirror.judgement.reasons.map(each => {
      if (each.code !== 'resync-waiting' || each.word?.includes('dependency') !== true) return each
      const waitsFor = this.#pauses.values().next().value
      return { ...each, clearedBy: 'operator', ...(waitsFor === undefined ? {} : { waitsFor }) }
    })
  }

  #replace(mirror: string, before: TrackedMirror | null, after: TrackedMirror | null, now: number): void {
    if (after === null) this.#mirrors.delete(mirror)
    else this.#mirrors.set(mirror, after)
    if (after?.judgement.state === 'resyncing') this.#restless.set(mirror, after)
    else this.#restless.delete(mirror)
    const pause = after?.judgement.reasons.find(each => each.code === 'resync-paused' || each.code === 'pause-left-set')
    if (pause === undefined) this.#pauses.delete(mirror)
    else this.#pauses.set(mirror, pause.peer === undefined ? mirror : `${mirror} peer ${pause.peer}`)
    this.#running += Number(after?.judgement.moving === true) - Number(before?.judgement.moving === true)
    if (this.#running > 0) this.#stillSince = null
    else this.#stillSince ??= now
  }
}
