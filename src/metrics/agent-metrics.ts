import { Registry } from 'prom-client'
import { countCodes } from '../platform/count-codes.ts'
import type { SourceUpdate } from '../sync-query/backend.ts'
import type { BackendName } from '../sync-query/backend-name.ts'
import type { Problem } from '../sync-query/judge/problem.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/transition.ts'
import type { Exposition } from './exposition.ts'
import { type MirrorOfSr, MirrorSeries } from './mirror-series.ts'
import { PushSeries } from './push-series.ts'
import { ResyncSeries } from './resync-series.ts'
import { SourceSeries } from './source-series.ts'
import { SrSeries } from './sr-series.ts'
import { UnwatchedSeries } from './unwatched-series.ts'

/** The state of a host at one moment. */
export interface AgentSnapshot {
  /** Every watched SR, by UUID. */
  readonly srs: ReadonlyMap<string, SrStatus>
  /** Every mirror that is not synced, in each of its SRs. It is iterated once, synchronously. */
  readonly notSynced: Iterable<MirrorOfSr>
  /** DRBD resources and md arrays that no SR watches, by name. */
  readonly unwatched?: Readonly<Record<BackendName, readonly string[]>>
  /** Maximum number of mirrors with series of their own. Default 200. */
  readonly maxMirrors?: number
}

export interface AgentMetricsOptions {
  /** Returns the present state. It is called at every scrape, so that a change between two scrapes costs nothing. */
  readonly snapshot: () => AgentSnapshot
}

const DEFAULT_MAX_MIRRORS = 200

/**
 * The metrics of one host. Levels (states, figures) are read at each scrape; edges (transitions, problems, pushes) are counted when they
 * happen.
 *
 * Invariant: after a rendering, series exist for exactly the SRs of that rendering.
 */
export class AgentMetrics implements Exposition {
  readonly #registry = new Registry()
  readonly #snapshot: () => AgentSnapshot
  readonly #srs = new SrSeries(this.#registry)
  readonly #mirrors = new MirrorSeries(this.#registry)
  readonly #resyncs = new ResyncSeries(this.#registry)
  readonly #sources = new SourceSeries(this.#registry)
  readonly #pushes = new PushSeries(this.#registry)
  readonly #unwatched = new UnwatchedSeries(this.#registry)
  readonly #known = new Set<string>()

  constructor({ snapshot }: AgentMetricsOptions) {
    this.#snapshot = snapshot
  }

  /** Counts a transition of an SR. @param reasons the present reasons of the SR */
  transition(sr: string, transition: Transition, { reasons }: Pick<SrStatus, 'reasons'>): void {
    this.#begin(sr)
    this.#resyncs.note(sr, transition, reasons)
  }

  /** Takes an update of a source. */
  source(backend: BackendName, news: SourceUpdate<unknown>): void {
    this.#sources.note(backend, news)
  }

  /** Counts new problems of the configuration of a backend. */
  misread(backend: BackendName, problems: readonly Problem[]): void {
    this.#sources.count(backend, countCodes(problems))
  }

  /** A source has ended; another one will start. */
  sourceLost(backend: BackendName): void {
    this.#sources.lose(backend)
  }

  /** Counts a report that arrived in the pool. @param at Unix time in milliseconds */
  pushArrived(sr: string, at: number): void {
    this.#begin(sr)
    this.#pushes.arrived(sr, at)
  }

  pushFailed(sr: string): void {
    this.#begin(sr)
    this.#pushes.failed(sr)
  }

  render(): Promise<string> {
    const { srs, notSynced, unwatched, maxMirrors = DEFAULT_MAX_MIRRORS } = this.#snapshot()
    for (const sr of this.#known) if (!srs.has(sr)) this.#forget(sr)
    for (const [sr, status] of srs) {
      this.#begin(sr)
      this.#srs.set(sr, status)
    }
    this.#mirrors.set(notSynced, maxMirrors)
    if (unwatched !== undefined) this.#unwatched.set(unwatched)
    return this.#registry.metrics()
  }

  #begin(sr: string): void {
    if (this.#known.has(sr)) return
    this.#known.add(sr)
    this.#resyncs.begin(sr)
    this.#pushes.begin(sr)
  }

  #forget(sr: string): void {
    this.#known.delete(sr)
    this.#srs.forget(sr)
    this.#resyncs.forget(sr)
    this.#pushes.forget(sr)
  }
}
