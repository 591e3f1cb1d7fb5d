import { BACKEND_NAMES, type BackendName, forEachBackend } from '../sync-query/backend-name.ts'
import type { ShareChange } from '../sync-query/history/host-mirrors.ts'
import type { Reason } from '../sync-query/reason/reason.ts'
import { SrFold, type SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import { SYNC_STATES } from '../sync-query/state.ts'
import type { Transition } from '../sync-query/transition.ts'
import type { BackendView } from './backend-view.ts'
import type { StaleReport } from './host-changes.ts'
import type { SrSelection } from './sr-selection.ts'

const HURRY_EVERY_MS = 1_000

/** How many mirrors of one backend an SR has on this host. */
interface Holding {
  /** In the kernel or missing. */
  all: number
  /** In the kernel. */
  shown: number
  /** The kernel had some, and has removed the last of them. */
  emptiedByKernel: boolean
}

/** One SR that this host watches. */
export class WatchedSr {
  readonly fold: SrFold
  /** `Places` keeps these counts. */
  readonly holdings: Readonly<Record<BackendName, Holding>> = forEachBackend(emptyHolding)
  /** The two answers about its report, made once: each event has one. */
  readonly staleNow: StaleReport
  readonly staleLater: StaleReport
  #selection: SrSelection
  #ignorePeers: ReadonlySet<string>
  /** The backends that the SR selects mirrors of. An SR without patterns depends on all of them. */
  #backends: readonly BackendName[]
  #listSeq: number | null = null
  #hurriedAtMs = Number.NEGATIVE_INFINITY

  constructor(selection: SrSelection, now: number) {
    this.fold = new SrFold(now)
    this.staleNow = { sr: selection.uuid, isUrgent: true }
    this.staleLater = { sr: selection.uuid, isUrgent: false }
    this.#selection = selection
    this.#backends = backendsOf(selection)
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

  /** Selects other mirrors for the same SR. */
  reselect(selection: SrSelection): void {
    this.#selection = selection
    this.#backends = backendsOf(selection)
    this.#ignorePeers = new Set(selection.ignorePeers)
  }

  /** Applies the changes of one input, and judges the SR once. @param absence why the SR lacks mirrors; `null`: it does not */
  apply(
    changes: readonly ShareChange[],
    views: Readonly<Record<BackendName, BackendView>>,
    absence: (sr: WatchedSr) => Reason | null,
    now: number,
  ): readonly Transition[] {
    if (changes.some(({ changesList }) => changesList)) this.#listSeq = null
    return this.fold.apply(changes, now, this.#doubt(views) ?? absence(this))
  }

  /** A mirror joins the SR. */
  hold(backend: BackendName, isShown: boolean): void {
    const holding = this.holdings[backend]
    holding.all += 1
    if (!isShown) return
    holding.shown += 1
    holding.emptiedByKernel = false
  }

  /** A mirror leaves the SR. @param byKernel the kernel no longer has it; otherwise a configuration moved it */
  release(backend: BackendName, isShown: boolean, byKernel: boolean): void {
    const holding = this.holdings[backend]
    holding.all -= 1
    if (!isShown) return
    holding.shown -= 1
    if (holding.shown === 0) holding.emptiedByKernel = byKernel
  }

  /** Whether a report without a transition may be pushed at once. A flapping mirror must not cause a push each time. */
  mayHurry(now: number): boolean {
    if (Math.abs(now - this.#hurriedAtMs) < HURRY_EVERY_MS) return false
    this.#hurriedAtMs = now
    return true
  }

  /** `Report.listSeq` of a report with this number. Only for an SR whose mirrors are known. */
  listSeq(seq: number): number {
    this.#listSeq ??= seq
    return this.#listSeq
  }

  /** The doubt of the first backend that the SR depends on. */
  #doubt(views: Readonly<Record<BackendName, BackendView>>): Reason | null {
    for (const backend of this.#backends) {
      const { doubt } = views[backend]
      if (doubt !== null) return doubt
    }
    return null
  }
}

function backendsOf(selection: SrSelection): readonly BackendName[] {
  const selected = BACKEND_NAMES.filter(backend => selection[backend].length > 0)
  return selected.length === 0 ? BACKEND_NAMES : selected
}

function emptyHolding(): Holding {
  return { all: 0, shown: 0, emptiedByKernel: false }
}

/** The status of an SR during a transition that is already over: a resync that began and ended within one input. */
export function statusDuring(status: SrStatus, { at, to }: Transition, changes: readonly ShareChange[]): SrStatus {
  if (to !== 'resyncing' || status.state === 'resyncing') return status
  const mirrors = { ...status.mirrors }
  for (const { passed, after } of changes) {
    if (passed === null || after === null) continue
    mirrors[after.state] -= 1
    mirrors.resyncing += 1
  }
  return { ...status, state: to, since: at, mirrors, outOfSyncBytes: null }
}

/** The mirror is in a worse state than before, or is new and not in sync. */
export function isWorse({ before, after }: ShareChange): boolean {
  if (after === null) return false
  return SYNC_STATES.indexOf(after.state) < SYNC_STATES.indexOf(before?.state ?? 'synced')
}
