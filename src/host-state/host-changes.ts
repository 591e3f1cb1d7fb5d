import type { BackendName } from '../sync-query/backend-name.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/transition.ts'

/** What one input has changed, for the caller to act on. */
export interface HostChanges {
  /** In order. */
  readonly transitions: readonly SrTransition[]
  /** SRs whose report in the pool is out of date. */
  readonly staleReports: readonly StaleReport[]
  /** What to remember across restarts. */
  readonly memoryChanges: readonly MemoryChange[]
  /**
   * Mirrors whose judgement depends on something that has changed. If this is not empty, the lists above are: the SRs are judged
   * when the caller has passed the latest readings of these mirrors to `HostState.rejudge`.
   */
  readonly rejudge: readonly RejudgeRequest[]
}

export const NO_CHANGES: HostChanges = { transitions: [], staleReports: [], memoryChanges: [], rejudge: [] }

export interface SrTransition {
  readonly sr: string
  readonly transition: Transition
  /** During the transition: a resync that began and ended within one input has a transition to `resyncing`, too. */
  readonly status: SrStatus
}

export interface StaleReport {
  readonly sr: string
  /** Push it at once. Otherwise it may wait for its turn, as progress does. */
  readonly isUrgent: boolean
}

export interface MemoryChange {
  readonly sr: string
  /** `null`: forget the SR. */
  readonly held: HeldByBackend | null
}

interface RejudgeRequest {
  readonly backend: BackendName
  readonly mirrors: readonly string[]
}

/** Mirrors of one backend that an SR had on this host. */
export interface HeldMirrors {
  readonly count: number
  /** Some of their names. */
  readonly names: readonly string[]
}

export type HeldByBackend = Readonly<Record<BackendName, HeldMirrors>>

/** What is remembered of an SR. `unreadable`: it may have had mirrors. */
export type Remembered =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'held'; readonly held: HeldByBackend }
  | { readonly kind: 'unreadable'; readonly why: string }

/** So many names are remembered of the mirrors of one SR and backend. */
export const MAX_HELD_NAMES = 8
