import { Registry } from 'prom-client'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/sr-state/transition.ts'
import type { Exposition } from './exposition.ts'
import { type MirrorOfSr, MirrorSeries } from './mirror-series.ts'
import { PushSeries } from './push-series.ts'
import { ResyncSeries } from './resync-series.ts'
import { type SourceName, type SourceNews, SourceSeries } from './source-series.ts'
import { SrSeries } from './sr-series.ts'
import { UnwatchedSeries } from './unwatched-series.ts'

/** A host as it is at one moment. */
export interface AgentLook {
  /** Every SR that is watched, by UUID. */
  readonly srs: ReadonlyMap<string, SrStatus>
  /** Every mirror that is not synced, in each of its SRs. Walked through once, at once. */
  readonly notSynced: Iterable<MirrorOfSr>
  /** What the host has and no SR watches, by name. */
  readonly unwatched?: Readonly<Record<SourceName, readonly string[]>>
  /** How many mirrors that are not synced have series of their own. Default 200. */
  readonly maxMirrors?: number
}

export interface AgentMetricsOptions {
  /** How things stand. Asked at every scrape, so that between two scrapes a change costs nothing. */
  readonly look: () => AgentLook
}

const DEFAULT_MAX_MIRRORS = 200

/**
 * What Prometheus is told of one host. Levels (states, figures) are looked at when they are asked for; edges (transitions,
 * problems, pushes) are counted as they come.
 *
 * Invariant: after a rendering there are series of exactly the SRs of that look.
 */
export class AgentMetrics implements Exposition {
  readonly #registry = new Registry()
  readonly #look: () => AgentLook
  readonly #srs = new SrSeries(this.#registry)
  readonly #mirrors = new MirrorSeries(this.#registry)
  readonly #resyncs = new ResyncSeries(this.#registry)
  readonly #sources = new SourceSeries(this.#registry)
  readonly #pushes = new PushSeries(this.#registry)
  readonly #unwatched = new UnwatchedSeries(this.#registry)
  readonly #known = new Set<string>()

  constructor({ look }: AgentMetricsOptions) {
    this.#look = look
  }

  /** An SR has changed its state, stalled or been paused. @param reasons those that it gives now */
  transition(sr: string, transition: Transition, { reasons }: Pick<SrStatus, 'reasons'>): void {
    this.#begin(sr)
    this.#resyncs.note(sr, transition, reasons)
  }

  /** A source has told something. */
  source(backend: SourceName, news: SourceNews): void {
    this.#sources.note(backend, news)
  }

  /** What a backend's configuration has that was not understood or could not be read, and was not so before. */
  misread(backend: SourceName, problems: readonly { readonly code: string }[]): void {
    this.#sources.count(backend, problems)
  }

  /** A source is gone, and another one will begin. */
  sourceLost(backend: SourceName): void {
    this.#sources.lose(backend)
  }

  /** A report has arrived in the pool. @param at milliseconds since 1970 */
  pushArrived(sr: string, at: number): void {
    this.#begin(sr)
    this.#pushes.arrived(sr, at)
  }

  pushFailed(sr: string): void {
    this.#begin(sr)
    this.#pushes.failed(sr)
  }

  render(): Promise<string> {
    const { srs, notSynced, unwatched, maxMirrors = DEFAULT_MAX_MIRRORS } = this.#look()
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
