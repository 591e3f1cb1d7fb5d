import type { MirrorWithReasons, ShareChange } from '../history/host-mirrors.ts'
import type { MirrorShare } from '../history/mirror-share.ts'
import { type Reason, reason, urgencyOf } from '../reason/reason.ts'
import { outOfPatience, patienceWith } from '../reason/reason-patience.ts'
import { type StateCounts, type SyncState, worstState } from '../state.ts'
import { type Transition, transitionKind } from '../transition.ts'
import { SrProgress } from './sr-progress.ts'

/** One host's view of one SR at one moment. */
export interface SrStatus {
  readonly state: SyncState
  /** Start of the state, Unix time in milliseconds. */
  readonly since: number
  /** If the mirrors may be incomplete, all of them count as `unknown`. */
  readonly mirrors: Readonly<StateCounts>
  /** Sum over the mirrors that are not in sync; `null`: one of them is not known, or mirrors may be missing. */
  readonly outOfSyncBytes: number | null
  /** 0..1 of the resyncs of this SR since none ran; never falls, never 1 before the end. */
  readonly progress: number | null
  /** Until the end of the last running resync; `null` unless each of them has an estimate. */
  readonly etaSeconds: number | null
  /** Sorted by `urgencyOf`. */
  readonly reasons: readonly Reason[]
}

interface Sums {
  out: number
  withoutOut: number
}

/**
 * The fold of many mirrors into one SR, kept as sums: a change of one mirror costs the same with 10 mirrors or 10 000.
 *
 * Invariants: each mirror of the SR came with a change without `before`, and every later change was applied; so `#counts` and `#sums`
 * equal the sums over all mirrors.
 */
export class SrFold {
  readonly #counts: StateCounts = { unknown: 0, degraded: 0, resyncing: 0, synced: 0 }
  readonly #sums: Sums = { out: 0, withoutOut: 0 }
  readonly #progress = new SrProgress()
  #stalled = 0
  #paused = 0
  /** Whether any mirror was stalled (paused) when the SR was last judged. */
  #wasStalled = false
  #wasPaused = false
  #state: SyncState = 'unknown'
  /** A resync has begun since the SR was last in sync. */
  #resynced = false
  #since: number
  /** Why mirrors may be missing; `null`: they are complete. Until the first complete reading an SR is `unknown`. */
  #doubt: Reason | null = reason('source-silent', '*')
  #doubtedSince: number
  #doubtNeedsOperator = false

  constructor(now: number) {
    this.#since = now
    this.#doubtedSince = now
  }

  get state(): SyncState {
    return this.#doubt === null ? worstState(this.#counts) : 'unknown'
  }

  /** Mirrors may have been missing for so long that an operator must act. It changes by time alone. */
  get doubtNeedsOperator(): boolean {
    return this.#doubtNeedsOperator
  }

  /**
   * Applies changes of the SR's mirrors that were read together, and the doubt after them. The SR is judged once, after all of them:
   * between two it may look better than it ever was (a volume that goes down is first removed, then reported as missing).
   *
   * @param doubt why mirrors may be missing; `null`: they are complete
   */
  apply(changes: readonly ShareChange[], now: number, doubt: Reason | null = this.#doubt): Transition[] {
    const edges = this.#passThrough(changes, now)
    let left = false
    for (const change of changes) {
      this.#change(change)
      left ||= change.moved && change.after === null
    }
    // If the clock was set back, the time starts again.
    if (doubt === null || this.#doubt === null || now < this.#doubtedSince) this.#doubtedSince = now
    this.#doubt = doubt
    this.#doubtNeedsOperator = doubt !== null && now - this.#doubtedSince >= patienceWith(doubt, 0)
    const more = this.#settle(now, left)
    return edges.length === 0 ? more : [...edges, ...more]
  }

  /** @param mirrors every mirror of this SR that has reasons */
  status(mirrors: Iterable<MirrorWithReasons>): SrStatus {
    const reasons: Reason[] = []
    if (this.#doubt !== null) reasons.push(this.#doubtNeedsOperator ? outOfPatience(this.#doubt) : this.#doubt)
    let etaSeconds: number | null = 0
    for (const { mirror, reasons: its } of mirrors) {
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

  /** Resyncs that began and ended between two readings: judges the SR with them, and then as before. */
  #passThrough(changes: readonly ShareChange[], now: number): Transition[] {
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

  #change({ before, after }: ShareChange): void {
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
    // A degraded mirror lacks what was written while its peer was away. The last figure of an unknown mirror does not count.
    if (state === 'unknown' || Number.isNaN(outOfSyncBytes)) this.#sums.withoutOut += sign
    else this.#sums.out += sign * outOfSyncBytes
  }

  /** @param left mirrors were removed from the SR: being in sync without them is not the end of a resync */
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

/** The last reading of a silent source is not valid now. */
function allUnknown({ unknown, degraded, resyncing, synced }: StateCounts): StateCounts {
  return { unknown: unknown + degraded + resyncing + synced, degraded: 0, resyncing: 0, synced: 0 }
}
