import type { Reason, ReasonDraft } from '../reason/reason.ts'
import { dated, outOfPatience, patienceWith } from '../reason/reason-patience.ts'
import type { DiskHistory } from './disk-history.ts'
import type { OwedMarks } from './marks/owed-marks.ts'
import { isOutlineOf, NO_REASONS, type ReasonOutline } from './reason-outline.ts'
import { inLightOf, type ResyncTrend } from './resync/resync-trend.ts'
import type { SharedByMirrors } from './shared-by-mirrors.ts'

/**
 * Since when one mirror has had each reason, in the order of its outline. Written in place.
 *
 * A reason is the same as before if it has the same code and object: an absent peer goes through several connection states
 * (Unconnected, Connecting, …) and has been absent since the first.
 */
export class ReasonAges {
  #since: number[] = []
  #now = Number.NaN

  /** Replaces the reasons `before` by the reasons `after`, read at `at`. */
  follow(before: ReasonOutline, after: ReasonOutline, at: number): void {
    this.passTo(at)
    if (before === after) return
    const since = this.#since
    this.#since = after.examples.map(each => {
      const index = before.examples.findIndex(known => isSameReason(known, each))
      return since[index] ?? at
    })
  }

  /** Sets the present moment. If the clock was set back, durations stay as they are. */
  passTo(now: number): void {
    const back = this.#now - now
    if (back > 0) for (const [index, since] of this.#since.entries()) this.#since[index] = since - back
    this.#now = now
  }

  /** Unix time in milliseconds; `NaN` if there is no such reason. */
  since(index: number): number {
    return this.#since[index] ?? Number.NaN
  }

  countOverdue({ examples }: ReasonOutline, stuckAfterMs: number): number {
    let overdue = 0
    for (const [index, example] of examples.entries()) if (this.isOverdue(index, example, stuckAfterMs)) overdue += 1
    return overdue
  }

  /** The reason has lasted longer than `patienceWith`. */
  isOverdue(index: number, reason: Reason, stuckAfterMs: number): boolean {
    return this.#now - this.since(index) >= patienceWith(reason, stuckAfterMs)
  }
}

function isSameReason(a: Reason, b: Reason): boolean {
  const isDisk = a.code === 'disk-not-up-to-date'
  return a.code === b.code && a.peer === b.peer && a.field === b.field && (!isDisk || a.word === b.word)
}

/**
 * The reasons of one mirror's last reading, with their ages. Written in place: it keeps a shared outline and two numbers for each reason,
 * and no object of a reading.
 */
export class MirrorReasons {
  readonly #mirror: string
  readonly #shared: SharedByMirrors
  #outline: ReasonOutline = NO_REASONS
  /** Two for each reason: `progress` and `outOfSyncBytes`. */
  readonly #figures: number[] = []
  readonly #ages = new ReasonAges()
  #overdue = 0

  constructor(mirror: string, shared: SharedByMirrors) {
    this.#mirror = mirror
    this.#shared = shared
  }

  get outline(): ReasonOutline {
    return this.#outline
  }

  /** Number of reasons that have lasted so long that they need an operator. It changes by time alone. */
  get overdue(): number {
    return this.#overdue
  }

  /** Replaces the reasons by those of a reading. */
  see(reasons: readonly Reason[], at: number): void {
    const before = this.#outline
    const isSame = isOutlineOf(before, reasons)
    if (!isSame) this.#outline = this.#shared.outlines.intern(reasons)
    let index = 0
    for (const { progress = Number.NaN, outOfSyncBytes } of reasons) {
      // One resync, as long as its reason stays the same: displayed progress never falls.
      const shown = this.#figures[index]
      this.#figures[index] = isSame && shown !== undefined && shown > progress ? shown : progress
      this.#figures[index + 1] = outOfSyncBytes ?? Number.NaN
      index += 2
    }
    this.#ages.follow(before, this.#outline, at)
  }

  /** Lets time pass. @param now Unix time in milliseconds */
  passTo(now: number): void {
    this.#ages.passTo(now)
    const { stuckAfterMs } = this.#shared.patience
    this.#overdue = this.#outline.ages ? this.#ages.countOverdue(this.#outline, stuckAfterMs) : 0
  }

  /** The reasons, corrected by what only the history knows. */
  list(trend: ResyncTrend, marks: OwedMarks | null, disks: DiskHistory | null): Reason[] {
    return this.#outline.examples.map((example, index) => {
      const reason = this.#withFigures(example, index)
      if (example.candidates !== undefined && disks !== null) {
        reason.candidates = example.candidates.map(each => disks.known(each))
      }
      if (example.code === 'marks-left' && marks?.isDrift(example.peer) === true) {
        return { ...reason, code: 'drift', clearedBy: 'operator' }
      }
      const corrected = dated(inLightOf(trend, reason), this.#ages.since(index))
      const isOverdue = this.#ages.isOverdue(index, corrected, this.#shared.patience.stuckAfterMs)
      return isOverdue ? outOfPatience(corrected) : corrected
    })
  }

  #withFigures(example: Reason, index: number): ReasonDraft {
    const progress = this.#figures[2 * index]
    const outOfSyncBytes = this.#figures[2 * index + 1]
    const reason: ReasonDraft = { ...example, mirror: this.#mirror }
    if (progress !== undefined && example.progress !== undefined) reason.progress = progress
    if (outOfSyncBytes !== undefined && example.outOfSyncBytes !== undefined) reason.outOfSyncBytes = outOfSyncBytes
    return reason
  }
}
