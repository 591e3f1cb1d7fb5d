import type { DrbdVolume } from '../judge/drbd.ts'
import { figureOf, firstKnown, orNull } from '../judge/figure.ts'
import type { Judgement, Observation } from '../judge/judgement.ts'
import { isSamePlacement, type Placement } from '../judge/placement.ts'
import type { Reason, ReasonDraft } from '../reason/reason.ts'
import { type MirrorShare, SHARE_OF_A_WELL_MIRROR } from '../sr-state/mirror-share.ts'
import { isOutlineOf, NO_REASONS } from '../sr-state/reason-outline.ts'
import { ResyncEpisode } from '../sr-state/resync-episode.ts'
import type { SharedByMirrors } from '../sr-state/shared-by-mirrors.ts'
import { type Transition, transitionKind } from '../sr-state/transition.ts'
import type { Activity, SyncState } from '../state.ts'
import { DiskHistory } from './disk-history.ts'
import { OwedMarks } from './owed-marks.ts'
import { dated, outOfPatience, ReasonAges } from './reason-ages.ts'
import { inLightOf, type ResyncTrend } from './resync-trend.ts'

const NO_TRANSITIONS: readonly Transition[] = []

/**
 * One mirror with its history: what one look cannot tell (stalled, unrepaired, since when, steady progress).
 *
 * It is written in place and keeps no object of a look: what an event allocates must be dead by the next one. Objects that
 * live until their mirror's next event outlive V8's young generation as soon as there are thousands of mirrors, and an event
 * then costs twice as much as with a hundred.
 *
 * Invariants: a number that is not known is `NaN` in here and `null` outside; what is handed out never changes; where
 * `#isWell`, another look that says that all is well changes nothing but the replicas.
 */
export class TrackedMirror {
  readonly mirror: string
  /** Kept by HostMirrors: it stands in its list of those that tell something. */
  isListed = false
  #looked = false
  /** The last look said that all is well, and nothing is remembered against it. */
  #isWell = false
  #expectedReplicas = 0
  #currentReplicas = 0
  #placement: Placement | null = null
  readonly #shared: SharedByMirrors

  // The last look.
  #state: SyncState = 'unknown'
  #activity: Activity = 'none'
  #moving = false
  #backend: Judgement['backend'] = 'drbd'
  #seenProgress = Number.NaN
  #seenDoneBytes = Number.NaN
  #seenTotalBytes = Number.NaN
  #seenEtaSeconds = Number.NaN
  #outOfSyncBytes = Number.NaN
  #outline = NO_REASONS
  /** Two for each of its reasons: `progress` and `outOfSyncBytes`. */
  readonly #figures: number[] = []
  readonly #ages = new ReasonAges()
  /** How many of its reasons have lasted for so long that somebody must act. */
  #overdue = 0

  // What only memory knows.
  readonly #resync = new ResyncEpisode()
  #trend: ResyncTrend = 'moves'
  #paused = false
  /** A resync has begun since it was last in sync. */
  #resynced = false
  /** The estimate is young enough to be shown. */
  #estimateHolds = false
  /** What DRBD has marked as out of sync, and how that went away; `null`: nothing to remember. */
  #marks: OwedMarks | null
  /** Of a mirror that was not well at some time. */
  #disks: DiskHistory | null = null
  #since = Number.NaN

  constructor(mirror: string, shared: SharedByMirrors) {
    this.mirror = mirror
    this.#shared = shared
    this.#marks = shared.marks.of(mirror)
  }

  /** `unknown` until the first look. */
  get state(): SyncState {
    return this.#state
  }

  /** When the present state was entered, milliseconds since 1970. */
  get since(): number {
    return this.#since
  }

  /** It was told of at least once. */
  get wasLookedAt(): boolean {
    return this.#looked
  }

  get stalled(): boolean {
    return this.#trend === 'stalled'
  }

  /** How its resync gets on; it changes by time alone. */
  get trend(): ResyncTrend {
    return this.#trend
  }

  /** How many of its reasons have lasted for so long that somebody must act; it changes by time alone. */
  get overdue(): number {
    return this.#overdue
  }

  /** What the kernel does with it by the last look. */
  get activity(): Activity {
    return this.#activity
  }

  /** It has reasons to give. */
  get tells(): boolean {
    return this.#outline.examples.length > 0 || this.#marks !== null
  }

  /** Where an operator's pause stands (`resource/volume peer name`); `null` where none does. */
  get pauseAt(): string | null {
    const { pause } = this.#outline
    if (pause === null) return null
    return pause.peer === undefined ? this.mirror : `${this.mirror} peer ${pause.peer}`
  }

  /** Where the replicas are; equal placements of one host's mirrors are one object. `null` where it was not said. */
  get placement(): Placement | null {
    return this.#placement
  }

  /** The estimate that may be shown. */
  get etaSeconds(): number | null {
    return this.#estimateHolds ? orNull(this.#seenEtaSeconds) : null
  }

  /** Adds one look. */
  look(seen: Observation): readonly Transition[] {
    const { judgement, at } = seen
    const isWell = saysThatAllIsWell(judgement)
    const hasPassed = seen.drbd !== undefined && OwedMarks.concerns(seen.drbd)
    if (isWell && this.#isWell && !hasPassed) {
      this.#seePlacement(judgement)
      return NO_TRANSITIONS
    }
    const from = this.#looked ? this.#state : null
    const accused = this.#marks?.accuses === true
    if (seen.drbd !== undefined) this.#seeMarks(seen.drbd, seen.followsGap === true, at)
    if (seen.drbd !== undefined) {
      this.#disks ??= new DiskHistory()
      this.#disks.see(seen.drbd, at, from === null)
    }
    this.#looked = true
    const outline = this.#outline
    this.#seePlacement(this.#marks === null ? judgement : this.#marks.withoutAccused(judgement))
    this.#see(judgement)
    this.#ages.follow(outline, this.#outline, at)
    if (this.#state === 'resyncing') this.#resync.see(seen, this.#outline)
    // A source that fell silent says nothing of the resync: it goes on in the kernel, and so does what is known of it.
    else if (this.#state !== 'unknown') this.#resync.end()
    this.#isWell = isWell && this.#marks === null
    const edges = hasPassed && from !== null && hasResynced(seen.drbd) ? this.#passThrough(from, at) : NO_TRANSITIONS
    if (edges.length > 0) return [...edges, ...this.#settle('resyncing', at)]
    const settled = this.#settle(from, at)
    // One fault ends and a worse one begins: without an edge of its own the second would pass for the first.
    const isNewlyAccused = !accused && this.#marks?.accuses === true && from === 'degraded' && this.#state === from
    return isNewlyAccused ? [...settled, { at, kind: 'degraded', from, to: from }] : settled
  }

  /** Lets time pass without a look: estimates grow old, standing still becomes a stall. */
  age(now: number): readonly Transition[] {
    return this.#settle(this.#state, now)
  }

  /** What it adds to sums as it is now. */
  share(): MirrorShare {
    if (this.#isWell) return SHARE_OF_A_WELL_MIRROR
    return {
      state: this.#state,
      moving: this.#moving,
      heldBack: this.#outline.pause !== null,
      stalled: this.stalled,
      paused: this.#paused,
      outOfSyncBytes: this.#outOfSyncBytes,
      // One of which only the amount is known has begun.
      progress: firstKnown(this.#shownProgress, firstKnown(this.#seenDoneBytes / this.#shownTotalBytes, 0)),
      weightBytes: this.#shownTotalBytes,
    }
  }

  /** The last look, with what only memory knows worked into its reasons and figures. */
  get judgement(): Judgement {
    return {
      mirror: this.mirror,
      backend: this.#backend,
      state: this.#state,
      activity: this.#activity,
      moving: this.#moving,
      progress: orNull(this.#shownProgress),
      doneBytes: orNull(this.#shownDoneBytes),
      totalBytes: orNull(this.#shownTotalBytes),
      etaSeconds: this.etaSeconds,
      outOfSyncBytes: orNull(this.#outOfSyncBytes),
      replicas: { expected: this.#expectedReplicas, current: this.#currentReplicas },
      ...(this.#placement === null ? {} : { placement: this.#placement }),
      reasons: this.reasons,
    }
  }

  get reasons(): Reason[] {
    const reasons = this.#outline.examples.map((example, index) => this.#reasonLike(example, index))
    return this.#marks === null ? reasons : reasons.concat(this.#marks.reasons(this.mirror))
  }

  get #showsResync(): boolean {
    return this.#resync.active && this.#state !== 'unknown'
  }

  get #shownProgress(): number {
    return this.#showsResync ? this.#resync.shownProgress : this.#seenProgress
  }

  get #shownTotalBytes(): number {
    return this.#showsResync ? this.#resync.totalBytes : this.#seenTotalBytes
  }

  get #shownDoneBytes(): number {
    if (!this.#showsResync || !Number.isNaN(this.#seenDoneBytes)) return this.#seenDoneBytes
    return this.#resync.doneBytes(this.#outOfSyncBytes)
  }

  #see(judgement: Judgement): void {
    this.#backend = judgement.backend
    this.#state = this.#marks === null ? judgement.state : this.#marks.worsen(judgement.state)
    this.#activity = judgement.activity
    this.#moving = judgement.moving
    this.#seenProgress = figureOf(judgement.progress)
    this.#seenDoneBytes = figureOf(judgement.doneBytes)
    this.#seenTotalBytes = figureOf(judgement.totalBytes)
    this.#seenEtaSeconds = figureOf(judgement.etaSeconds)
    this.#outOfSyncBytes = figureOf(judgement.outOfSyncBytes)
    this.#seeReasons(judgement.reasons)
  }

  #seePlacement({ replicas, placement: seen }: Pick<Judgement, 'replicas' | 'placement'>): void {
    this.#expectedReplicas = replicas.expected
    this.#currentReplicas = replicas.current
    if (seen === undefined) this.#placement = null
    else if (this.#placement === null || !isSamePlacement(this.#placement, seen)) {
      this.#placement = this.#shared.placements.intern(seen)
    }
  }

  #seeReasons(reasons: readonly Reason[]): void {
    const isSame = isOutlineOf(this.#outline, reasons)
    if (!isSame) this.#outline = this.#shared.outlines.intern(reasons)
    let index = 0
    for (const { progress = Number.NaN, outOfSyncBytes } of reasons) {
      // Of one resync, as long as the same is said of it: what is on screen never jumps back.
      const shown = this.#figures[index]
      this.#figures[index] = isSame && shown !== undefined && shown > progress ? shown : progress
      this.#figures[index + 1] = outOfSyncBytes ?? Number.NaN
      index += 2
    }
  }

  #reasonLike(example: Reason, index: number): Reason {
    const progress = this.#figures[2 * index]
    const outOfSyncBytes = this.#figures[2 * index + 1]
    const reason: ReasonDraft = { ...example, mirror: this.mirror }
    if (progress !== undefined && example.progress !== undefined) reason.progress = progress
    if (outOfSyncBytes !== undefined && example.outOfSyncBytes !== undefined) reason.outOfSyncBytes = outOfSyncBytes
    if (example.candidates !== undefined && this.#disks !== null) {
      const disks = this.#disks
      reason.candidates = example.candidates.map(each => disks.known(each))
    }
    if (example.code === 'marks-left' && this.#marks?.isDrift(example.peer) === true) return asDrift(reason)
    const told = dated(inLightOf(this.#trend, reason), this.#ages.since(index))
    return this.#ages.isOverdue(index, told, this.#shared.patience.stuckAfterMs) ? outOfPatience(told) : told
  }

  /** Adds what a look says of marks to what is remembered. */
  #seeMarks(volume: DrbdVolume, followsGap: boolean, at: number): void {
    const { marks: memory } = this.#shared
    if (this.#marks === null && !OwedMarks.concerns(volume)) return
    this.#marks ??= memory.begin(this.mirror)
    const change = this.#marks.see(volume, { at, isWatched: !followsGap, isSameAppearance: this.#looked })
    this.#marks = memory.settle(this.mirror, this.#marks, change)
  }

  /** A resync began and ended between two looks, neither of which found it. */
  #passThrough(from: SyncState, at: number): readonly Transition[] {
    if (from === 'resyncing' || this.#state === 'resyncing') return NO_TRANSITIONS
    this.#resynced = true
    return [{ at, kind: 'resync-started', from, to: 'resyncing' }]
  }

  /** Draws the conclusions of a look, or of the time that has passed. @param from `null` at the first look */
  #settle(from: SyncState | null, now: number): readonly Transition[] {
    const to = this.#state
    const { patience } = this.#shared
    this.#resync.passTo(now)
    this.#ages.passTo(now)
    this.#overdue = this.#outline.ages ? this.#ages.countOverdue(this.#outline, patience.stuckAfterMs) : 0
    const { paused } = this.#outline
    const trend = to === 'resyncing' ? this.#resync.trend(this.#outline, patience) : 'moves'
    const becameStalled = trend === 'stalled' && !this.stalled
    const becamePaused = paused && !this.#paused
    const resynced = to === 'resyncing' || this.#resynced
    const kind = transitionKind(from, to, resynced)
    this.#trend = trend
    this.#paused = paused
    this.#resynced = resynced && to !== 'synced'
    this.#estimateHolds =
      trend === 'moves' && (!this.#resync.active || this.#resync.gained(now, patience.estimateValidMs))
    if (from !== to) this.#since = now
    if (kind === null && !becameStalled && !becamePaused) return NO_TRANSITIONS
    const transitions: Transition[] = []
    if (kind !== null) transitions.push({ at: now, kind, from, to })
    if (becameStalled) transitions.push({ at: now, kind: 'stalled', from, to })
    if (becamePaused) transitions.push({ at: now, kind: 'paused', from, to })
    return transitions
  }
}

/** True of a look that is like any other of which this is true, but for the replicas. */
function saysThatAllIsWell(judgement: Judgement): boolean {
  return (
    judgement.state === 'synced' &&
    judgement.reasons.length === 0 &&
    judgement.activity === 'none' &&
    judgement.outOfSyncBytes === 0 &&
    judgement.progress === null &&
    judgement.doneBytes === null &&
    judgement.totalBytes === null &&
    judgement.etaSeconds === null &&
    !judgement.moving
  )
}

/** A word of a resync was shown since the look before, though this look need not show it. */
function hasResynced(volume: DrbdVolume | undefined): boolean {
  return volume?.peers.some(({ passed }) => passed?.resync === true) === true
}

function asDrift(each: Reason): Reason {
  return { ...each, code: 'drift', clearedBy: 'operator' }
}
