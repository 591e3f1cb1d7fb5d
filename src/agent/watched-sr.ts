import type { MirrorChange } from '../sync-query/host-mirrors.ts'
import type { Reason } from '../sync-query/reason.ts'
import { SrFold } from '../sync-query/sr-fold.ts'
import type { Transition } from '../sync-query/transition.ts'
import { BACKENDS, type Backend, type BackendView } from './backend-view.ts'
import type { ReportPusher } from './report-pusher.ts'
import type { SrSelection } from './sr-selection.ts'

const HURRY_EVERY_MS = 1_000

/** One SR as this host watches it. */
export class WatchedSr {
  readonly fold: SrFold
  readonly pusher: ReportPusher
  #selection: SrSelection
  #ignorePeers: ReadonlySet<string>
  #listSeq: number | null = null
  #hurriedAtMs = Number.NEGATIVE_INFINITY

  constructor(selection: SrSelection, now: number, pusher: ReportPusher) {
    this.fold = new SrFold(now)
    this.pusher = pusher
    this.#selection = selection
    this.#ignorePeers = new Set(selection.ignorePeers)
  }

  get uuid(): string {
    return this.#selection.uuid
  }

  get ignorePeers(): ReadonlySet<string> {
    return this.#ignorePeers
  }

  /** The same SR, with its mirrors chosen otherwise. */
  reselect(selection: SrSelection): void {
    this.#selection = selection
    this.#ignorePeers = new Set(selection.ignorePeers)
  }

  /** Takes in what was told together, and what cannot be claimed after it. */
  apply(
    changes: readonly MirrorChange[],
    views: Readonly<Record<Backend, BackendView>>,
    now: number,
  ): readonly Transition[] {
    if (changes.some(({ changesList }) => changesList)) this.#listSeq = null
    return this.fold.apply(changes, now, this.#doubt(views))
  }

  /** Whether a report that is no transition may be pushed at once: a mirror that flaps must not make a push each time. */
  mayHurry(now: number): boolean {
    if (Math.abs(now - this.#hurriedAtMs) < HURRY_EVERY_MS) return false
    this.#hurriedAtMs = now
    return true
  }

  /** `Report.listSeq` of a report with this number that is made now, of an SR whose mirrors are known. */
  listSeq(seq: number): number {
    this.#listSeq ??= seq
    return this.#listSeq
  }

  /** Only a backend that has mirrors of this SR can leave it in doubt. */
  #doubt(views: Readonly<Record<Backend, BackendView>>): Reason | null {
    for (const backend of BACKENDS) {
      if (this.#selection[backend].length === 0) continue
      const { doubt } = views[backend]
      if (doubt !== null) return doubt
    }
    return null
  }
}
