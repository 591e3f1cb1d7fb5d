import type { DrbdVolume } from '../judge/drbd.ts'
import { figureOf, firstKnown, type Judgement, type Observation, orNull } from '../judge/judgement.ts'
import { isSamePlacement, type Placement } from '../judge/placement.ts'
import type { Reason } from '../reason/reason.ts'
import type { Activity, SyncState } from '../state.ts'
import { type Transition, transitionKind } from '../transition.ts'
import { DiskHistory } from './disk-history.ts'
import { OwedMarks } from './marks/owed-marks.ts'
import { MirrorReasons } from './mirror-reasons.ts'
import { type MirrorShare, SYNCED_SHARE } from './mirror-share.ts'
import { MirrorResync } from './resync/mirror-resync.ts'
import type { ResyncTrend } from './resync/resync-trend.ts'
import type { SharedByMirrors } from './shared-by-mirrors.ts'

const NO_TRANSITIONS: readonly Transition[] = []

/**
 * One mirror with its history, for everything that needs several readings: stalled, unrepaired, since when, steady progress.
 *
 * It is written in place and keeps no object of a reading: what an event allocates must be garbage at the next one. Objects that
 * live until their mirror's next event survive V8's young generation when there are thousands of mirrors, and an event
 * then costs twice as much as with a hundred.
 *
 * Invariants: an unknown number is `NaN` inside and `null` outside; returned objects never change; while `#isWell`, another reading
 * without any reason changes nothing but the replicas.
 */
export class TrackedMirror {
  readonly mirror: string
  /** Owned by HostMirrors: it is in the list of mirrors with reasons. */
  isListed = false
  #wasRead = false
  /** The last reading was well, and no marks are remembered. */
  #isWell = false
  #expectedReplicas = 0
  #currentReplicas = 0
  #placement: Placement | null = null
  readonly #shared: SharedByMirrors

  // The last reading.
  #state: SyncState = 'unknown'
  #activity: Activity = 'none'
  #moving = false
  #backend: Judgement['backend'] = 'drbd'
  #seenProgress = Number.NaN
  #seenDoneBytes = Number.NaN
  #seenTotalBytes = Number.NaN
  #seenEtaSeconds = Number.NaN
  #outOfSyncBytes = Number.NaN
  readonly #reasons: MirrorReasons

  // The history.
  readonly #resync = new MirrorResync()
  #trend: ResyncTrend = 'moves'
  #paused = false
  /** A resync has begun since the mirror was last in sync. */
  #resynced = false
  /** The estimate is young enough to display. */
  #estimateHolds = false
  /** What DRBD has marked out of sync, and how that vanished; `null`: no marks. */
  #marks: OwedMarks | null
  /** `null`: the mirror has always been well. */
  #disks: DiskHistory | null = null
  #since = Number.NaN

  constructor(mirror: string, shared: SharedByMirrors) {
    this.mirror = mirror
    this.#shared = shared
    this.#reasons = new MirrorReasons(mirror, shared)
    this.#marks = shared.marks.of(mirror)
  }

  /** `unknown` until the first reading. */
  get state(): SyncState {
    return this.#state
  }

  /** Start of the present state, Unix time in milliseconds. */
  get since(): number {
    return this.#since
  }

  /** It was read at least once. */
  get wasRead(): boolean {
    return this.#wasRead
  }

  get stalled(): boolean {
    return this.#trend === 'stalled'
  }

  /** The trend of its resync; it may change by time alone. */
  get trend(): ResyncTrend {
    return this.#trend
  }

  /** Number of reasons that have lasted so long that they need an operator; it may change by time alone. */
  get overdue(): number {
    return this.#reasons.overdue
  }

  /** What the kernel does with it, by the last reading. */
  get activity(): Activity {
    return this.#activity
  }

  /** It has reasons. */
  get hasReasons(): boolean {
    return this.#reasons.outline.examples.length > 0 || this.#marks !== null
  }

  /** The place of an operator's pause (`resource/volume peer name`); `null`: none. */
  get pauseAt(): string | null {
    const { pause } = this.#reasons.outline
    if (pause === null) return null
    return pause.peer === undefined ? this.mirror : `${this.mirror} peer ${pause.peer}`
  }

  /** Where the replicas are; equal placements of one host's mirrors are one object. `null`: not known. */
  get placement(): Placement | null {
    return this.#placement
  }

  /** The estimate to display. */
  get etaSeconds(): number | null {
    return this.#estimateHolds ? orNull(this.#seenEtaSeconds) : null
  }

  /** Adds a reading. */
  observe(seen: Observation): readonly Transition[] {
    const { judgement, at } = seen
    const isWell = isWithoutReason(judgement)
    const hasPassed = seen.drbd !== undefined && OwedMarks.concerns(seen.drbd)
    if (isWell && this.#isWell && !hasPassed) {
      this.#seePlacement(judgement)
      return NO_TRANSITIONS
    }
    const from = this.#wasRead ? this.#state : null
    const hadUnrepaired = this.#marks?.hasUnrepaired === true
    if (seen.drbd !== undefined) this.#seeMarks(seen.drbd, seen.followsGap === true, at)
    if (seen.drbd !== undefined) {
      this.#disks ??= new DiskHistory()
      this.#disks.see(seen.drbd, at, from === null)
    }
    this.#wasRead = true
    this.#seePlacement(this.#marks === null ? judgement : this.#marks.withoutUnrepaired(judgement))
    this.#see(judgement)
    this.#reasons.see(judgement.reasons, at)
    if (this.#state === 'resyncing') this.#resync.see(seen, this.#reasons.outline)
    // If the source fell silent, the resync continues in the kernel, and its history is kept.
    else if (this.#state !== 'unknown') this.#resync.end()
    this.#isWell = isWell && this.#marks === null
    const edges = hasPassed && from !== null && hasResynced(seen.drbd) ? this.#passThrough(from, at) : NO_TRANSITIONS
    if (edges.length > 0) return [...edges, ...this.#settle('resyncing', at)]
    const settled = this.#settle(from, at)
    // One fault ends and a worse one begins: the second needs a transition of its own.
    const isNewlyUnrepaired =
      !hadUnrepaired && this.#marks?.hasUnrepaired === true && from === 'degraded' && this.#state === from
    return isNewlyUnrepaired ? [...settled, { at, kind: 'degraded', from, to: from }] : settled
  }

  /** Lets time pass without a reading: estimates expire, resyncs become stalled. */
  age(now: number): readonly Transition[] {
    return this.#settle(this.#state, now)
  }

  /** Its share of the sums of its host and SRs. */
  share(): MirrorShare {
    if (this.#isWell) return SYNCED_SHARE
    return {
      state: this.#state,
      moving: this.#moving,
      heldBack: this.#reasons.outline.pause !== null,
      stalled: this.stalled,
      paused: this.#paused,
      outOfSyncBytes: this.#outOfSyncBytes,
      // If only the amount is known, the resync has begun.
      progress: firstKnown(this.#shownProgress, firstKnown(this.#seenDoneBytes / this.#shownTotalBytes, 0)),
      weightBytes: this.#shownTotalBytes,
    }
  }

  /** The last reading, with reasons and figures corrected by the history. */
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
    const reasons = this.#reasons.list(this.#trend, this.#marks, this.#disks)
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
  }

  #seePlacement({ replicas, placement: seen }: Pick<Judgement, 'replicas' | 'placement'>): void {
    this.#expectedReplicas = replicas.expected
    this.#currentReplicas = replicas.current
    if (seen === undefined) this.#placement = null
    else if (this.#placement === null || !isSamePlacement(this.#placement, seen)) {
      this.#placement = this.#shared.placements.intern(seen)
    }
  }

  /** Adds the marks of a reading. */
  #seeMarks(volume: DrbdVolume, followsGap: boolean, at: number): void {
    const { marks: memory } = this.#shared
    if (this.#marks === null && !OwedMarks.concerns(volume)) return
    this.#marks ??= memory.begin(this.mirror)
    const change = this.#marks.see(volume, { at, isWatched: !followsGap, isSameAppearance: this.#wasRead })
    this.#marks = memory.settle(this.mirror, this.#marks, change)
  }

  /** A resync began and ended between two readings. */
  #passThrough(from: SyncState, at: number): readonly Transition[] {
    if (from === 'resyncing' || this.#state === 'resyncing') return NO_TRANSITIONS
    this.#resynced = true
    return [{ at, kind: 'resync-started', from, to: 'resyncing' }]
  }

  /** Draws the conclusions of a reading or of passed time. @param from `null` at the first reading */
  #settle(from: SyncState | null, now: number): readonly Transition[] {
    const to = this.#state
    const { patience } = this.#shared
    this.#resync.passTo(now)
    this.#reasons.passTo(now)
    const { outline } = this.#reasons
    const { paused } = outline
    const trend = to === 'resyncing' ? this.#resync.trend(outline, patience) : 'moves'
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

/** A reading of a mirror that is well; all such readings are equal except for the replicas. */
function isWithoutReason(judgement: Judgement): boolean {
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

/** A resync ran since the reading before, even if this reading does not show it. */
function hasResynced(volume: DrbdVolume | undefined): boolean {
  return volume?.peers.some(({ passed }) => passed?.resync === true) === true
}
