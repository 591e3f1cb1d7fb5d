import type { Reason } from '../sync-query/reason/reason.ts'
import type { MirrorChange } from '../sync-query/sr-state/host-mirrors.ts'
import { SrFold } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/sr-state/transition.ts'
import type { ReportPusher } from '../xapi-notify/report-pusher.ts'
import { BACKENDS, type Backend, type BackendView } from './backend-view.ts'
import type { SrSelection } from './sr-selection.ts'

const HURRY_EVERY_MS = 1_000

/** How many mirrors of one backend an SR has on this host. */
interface Holding {
  /** Shown by the kernel or missed. */
  all: number
  shown: number
  /** The kernel has shown some, and has removed the last of them. */
  emptiedByKernel: boolean
}

/** One SR as this host watches it. */
export class WatchedSr {
  readonly fold: SrFold
  /** Kept by Places. */
  readonly holdings: Readonly<Record<Backend, Holding>> = { drbd: emptyHolding(), md: emptyHolding() }
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

  get selection(): SrSelection {
    return this.#selection
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
    absence: (sr: WatchedSr) => Reason | null,
    now: number,
  ): readonly Transition[] {
    if (changes.some(({ changesList }) => changesList)) this.#listSeq = null
    return this.fold.apply(changes, now, this.#doubt(views) ?? absence(this))
  }

  /** A mirror has become one of its own. */
  hold(backend: Backend, isShown: boolean): void {
    const holding = this.holdings[backend]
    holding.all += 1
    if (!isShown) return
    holding.shown += 1
    holding.emptiedByKernel = false
  }

  /** A mirror is its own no more. @param byKernel the kernel shows it no more; otherwise a configuration moved it */
  release(backend: Backend, isShown: boolean, byKernel: boolean): void {
    const holding = this.holdings[backend]
    holding.all -= 1
    if (!isShown) return
    holding.shown -= 1
    if (holding.shown === 0) holding.emptiedByKernel = byKernel
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

  /** Only a backend that has mirrors of this SR can leave it in doubt; without any pattern each may have some. */
  #doubt(views: Readonly<Record<Backend, BackendView>>): Reason | null {
    const hasPatterns = this.#selection.drbd.length > 0 || this.#selection.md.length > 0
    for (const backend of BACKENDS) {
      if (hasPatterns && this.#selection[backend].length === 0) continue
      const { doubt } = views[backend]
      if (doubt !== null) return doubt
    }
    return null
  }
}

function emptyHolding(): Holding {
  return { all: 0, shown: 0, emptiedByKernel: false }
}
