import { outOfPatience, patienceWith } from '../history/reason-ages.ts'
import { type Reason, reason, urgencyOf } from '../reason/reason.ts'
import { type StateCounts, type SyncState, worstState } from '../state.ts'
import type { MirrorChange, MirrorWithReasons } from './host-mirrors.ts'
import type { MirrorShare } from './mirror-share.ts'
import { SrProgress } from './sr-progress.ts'
import { type Transition, transitionKind } from './transition.ts'

/** What one host can say of one SR at one moment. */
export interface SrStatus {
  readonly state: SyncState
  /** When this state was entered, milliseconds since 1970. */
  readonly since: number
  /** While it is not known whether all was told, what was told of before is `unknown`, too. */
  readonly mirrors: Readonly<StateCounts>
  /** Summed over the mirrors that are not in sync; `null` when one of them does not say, or may not have been told of. */
  readonly outOfSyncBytes: number | null
  /** 0..1 of the resyncs of this SR since it was last quiet; never falls, never 1 before the end. */
  readonly progress: number | null
  /** Until the last of the running resyncs; `null` unless each of them has an estimate. */
  readonly etaSeconds: number | null
  /** Blocking reasons first, the least patient (operator) before those that time clears. */
  readonly reasons: readonly Reason[]
}

interface Sums {
  out: number
  withoutOut: number
}

/**
 * The fold of many mirrors into one SR, kept as sums: a change of one mirror costs the same with 10 mirrors or 10 000.
 *
 * Invariants: each mirror of the SR was told of by a change without `before`, and every change of it since then; so
 * `#counts` and `#sums` are what a walk over all mirrors would give.
 */
export class SrFold {
  readonly #counts: StateCounts = { unknown: 0, degraded: 0, resyncing: 0, synced: 0 }
  readonly #sums: Sums = { out: 0, withoutOut: 0 }
  readonly #progress = new SrProgress()
  #stalled = 0
  #paused = 0
  /** Whether any mirror was so when the SR was last judged. */
  #wasStalled = false
  #wasPaused = false
  #state: SyncState = 'unknown'
  /** A resync has begun since the SR was last in sync. */
  #resynced = false
  #since: number
  /** Why the mirrors counted here may not be all there are. Until all were looked at for the first time an SR is `unknown`. */
  #doubt: Reason | null = reason('source-silent', '*')
  #doubtedSince: number
  #doubtLasts = false

  constructor(now: number) {
    this.#since = now
    this.#doubtedSince = now
  }

  get state(): SyncState {
    return this.#doubt === null ? worstState(this.#counts) : 'unknown'
  }

  /** The mirrors have not been known for so long that somebody must act. It changes by time alone. */
  get doubtLasts(): boolean {
    return this.#doubtLasts
  }

  /**
   * Adds changes of mirrors that belong to this SR and were told together, and what is doubted after them. The SR is
   * judged once, after all of them: between two it may look better than it ever was (a volume that is down is first
   * removed, then missed).
   */
  apply(changes: readonly MirrorChange[], now: number, doubt: Reason | null = this.#doubt): Transition[] {
    const edges = this.#passThrough(changes, now)
    let left = false
    for (const change of changes) {
      this.#change(change)
      left ||= change.moved && change.after === null
    }
    // A clock that was set back begins the time anew.
    if (doubt === null || this.#doubt === null || now < this.#doubtedSince) this.#doubtedSince = now
    this.#doubt = doubt
    this.#doubtLasts = doubt !== null && now - this.#doubtedSince >= patienceWith(doubt, 0)
    const more = this.#settle(now, left)
    return edges.length === 0 ? more : [...edges, ...more]
  }

  /** `null`: all mirrors there are have been looked at. Otherwise: why that cannot be claimed. */
  setDoubt(doubt: Reason | null, now: number): Transition[] {
    return this.apply([], now, doubt)
  }

  /** @param telling each mirror of this SR that has reasons to give */
  status(telling: Iterable<MirrorWithReasons>): SrStatus {
    const reasons: Reason[] = []
    if (this.#doubt !== null) reasons.push(this.#doubtLasts ? outOfPatience(this.#doubt) : this.#doubt)
    let etaSeconds: number | null = 0
    for (const { mirror, reasons: its } of telling) {
      reasons.push(...its)
      if (mirror.state !== 'resyncing') continue
      const { etaSeconds: itsEta } = mirror
      etaSeconds = etaSeconds === null || itsEta === null ? null : Math.max(etaSeconds, itsEta)
    }
    const resyncing = this.#counts.resyncing > 0
    return {
      state: this.state,
      since: this.#since,
      mirrors: this.#doubt === null ? { ...this.#counts } : allUnknown(this.#counts),
      outOfSyncBytes: this.#doubt !== null || this.#sums.withoutOut > 0 ? null : this.#sums.out,
      progress: resyncing ? this.#progress.show() : null,
      etaSeconds: resyncing ? etaSeconds : null,
      reasons: reasons.sort((a, b) => urgencyOf(a.code, a.clearedBy) - urgencyOf(b.code, b.clearedBy)),
    }
  }

  /** Resyncs that began and ended between two looks: the SR is judged with them, and then as it was before. */
  #passThrough(changes: readonly MirrorChange[], now: number): Transition[] {
    if (changes.every(({ passed }) => passed === null)) return []
    for (const { before, passed } of changes) if (before !== null && passed !== null) this.#swap(before, passed)
    const edges = this.#settle(now, false)
    for (const { before, passed } of changes) if (before !== null && passed !== null) this.#swap(passed, before)
    return edges
  }

  #swap(before: MirrorShare, after: MirrorShare): void {
    this.#add(before, -1)
    this.#add(after, 1)
  }

  #change({ before, after }: MirrorChange): void {
    if (before === after) return
    if (before !== null) this.#add(before, -1)
    if (after !== null) this.#add(after, 1)
    this.#progress.change(before, after)
  }

  #add({ state, stalled, paused, outOfSyncBytes }: MirrorShare, sign: 1 | -1): void {
    this.#counts[state] += sign
    if (stalled) this.#stalled += sign
    if (paused) this.#paused += sign
    if (state === 'synced') return
    // A degraded mirror owes what was written while its peer was away; the last figure of an unknown one is none.
    if (state === 'unknown' || Number.isNaN(outOfSyncBytes)) this.#sums.withoutOut += sign
    else this.#sums.out += sign * outOfSyncBytes
  }

  /** @param left mirrors were taken out: an SR that is in sync without them has seen no resync end */
  #settle(now: number, left: boolean): Transition[] {
    if (this.#counts.resyncing === 0) this.#progress.reset()
    const from = this.#state
    const to = this.state
    this.#state = to
    const resynced = to === 'resyncing' || this.#resynced
    const kind = transitionKind(from, to, resynced && !left)
    this.#resynced = resynced && to !== 'synced'
    if (from !== to) this.#since = now
    const edges: Transition[] = kind === null ? [] : [{ at: now, kind, from, to }]
    // The SR is stalled (paused) from the first such mirror on.
    const isStalled = this.#stalled > 0
    const isPaused = this.#paused > 0
    if (isStalled && !this.#wasStalled) edges.push({ at: now, kind: 'stalled', from, to })
    if (isPaused && !this.#wasPaused) edges.push({ at: now, kind: 'paused', from, to })
    this.#wasStalled = isStalled
    this.#wasPaused = isPaused
    return edges
  }
}

/** The last word of a source that is silent says nothing of now: `synced` least of all. */
function allUnknown({ unknown, degraded, resyncing, synced }: StateCounts): StateCounts {
  return { unknown: unknown + degraded + resyncing + synced, degraded: 0, resyncing: 0, synced: 0 }
}
