import { randomBytes } from 'node:crypto'
import type { Report } from '../sync-query/report/report.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/transition.ts'
import type { SrStateEvent, TransitionEvent } from './answers.ts'

/** One event of `GET /events`. */
export type SyncEvent =
  | { readonly kind: 'state'; readonly sr: string; readonly data: SrStateEvent }
  | { readonly kind: 'transition'; readonly sr: string; readonly data: TransitionEvent }
  | { readonly kind: 'removed'; readonly sr: string; readonly data: { readonly sr: string } }

export interface NumberedEvent {
  /** `RUN-NUMBER`; the number rises by one with each event of a run. */
  readonly id: string
  readonly event: SyncEvent
  /** The data as JSON, written once for all readers. */
  readonly json: string
}

/** How many events are kept for readers that resume, and how many bytes of their JSON. */
const KEPT: KeptEvents = { events: 512, bytes: 4_194_304 }
/** A host may have 5 000 reasons, and events are kept in memory. */
const MAX_REASONS = 10

export interface KeptEvents {
  readonly events: number
  readonly bytes: number
}

/**
 * The numbered events of this host's SRs, for readers that listen and for readers that resume.
 *
 * Invariant: `#kept` holds the last events without a gap, and the last of them has the number `#last`. `#keptBytes` is the length of
 * their JSON.
 */
export class SyncEvents {
  /** Numbers are valid for one run of this program: after a restart it is not known what a reader missed. */
  readonly #run = randomBytes(6).toString('hex')
  readonly #atMost: KeptEvents
  readonly #kept: NumberedEvent[] = []
  #keptBytes = 0
  readonly #listeners = new Set<(event: NumberedEvent) => void>()
  #watched: ReadonlySet<string> = new Set()
  #last = 0

  constructor(atMost: KeptEvents = KEPT) {
    this.#atMost = atMost
  }

  /** The ID of the last event. */
  get lastId(): string {
    return `${this.#run}-${this.#last}`
  }

  /** Adds a transition of an SR. @param status after the transition */
  transition(sr: string, { at, kind, from, to }: Transition, status: SrStatus): void {
    const moment = new Date(at).toISOString()
    const data = {
      at: moment,
      transition: kind,
      from,
      to,
      ...stateEvent(sr, new Date(status.since).toISOString(), status),
    }
    this.#add({ kind: 'transition', sr, data })
  }

  /** Sets which SRs are watched from now on. @param reportOf returns the report of an SR */
  watch(srs: readonly string[], reportOf: (sr: string) => Report | null): void {
    const before = this.#watched
    this.#watched = new Set(srs)
    for (const sr of before) if (!this.#watched.has(sr)) this.#add({ kind: 'removed', sr, data: { sr } })
    for (const sr of this.#watched) {
      const report = before.has(sr) ? null : reportOf(sr)
      if (report !== null) this.#add({ kind: 'state', sr, data: levelOf(report) })
    }
  }

  /** Every event after the one with that ID; `null` if the ID is of another run or no longer kept. */
  since(id: string): readonly NumberedEvent[] | null {
    const [run, digits = ''] = id.split('-')
    if (run !== this.#run || !/^\d{1,15}$/.test(digits)) return null
    const missed = this.#last - Number(digits)
    if (missed < 0 || missed > this.#kept.length) return null
    return this.#kept.slice(this.#kept.length - missed)
  }

  /** Calls the listener with each event, synchronously, until the returned function is called. A listener must not throw. */
  subscribe(listener: (event: NumberedEvent) => void): () => void {
    // A new function, so that the same listener can subscribe twice.
    const own = (event: NumberedEvent) => listener(event)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  #add(event: SyncEvent): void {
    this.#last += 1
    const numbered = { id: this.lastId, event, json: JSON.stringify(event.data) }
    this.#kept.push(numbered)
    this.#keptBytes += Buffer.byteLength(numbered.json)
    while (this.#kept.length > this.#atMost.events || this.#keptBytes > this.#atMost.bytes) {
      this.#keptBytes -= Buffer.byteLength(this.#kept.shift()?.json ?? '')
    }
    for (const listener of [...this.#listeners]) listener(numbered)
  }
}

/** The data of a `state` event. */
export function levelOf(report: Report): SrStateEvent {
  return stateEvent(report.sr, report.since, report)
}

function stateEvent(
  sr: string,
  since: string,
  {
    state,
    mirrors,
    outOfSyncBytes,
    progress,
    etaSeconds,
    reasons,
  }: Pick<Report, 'state' | 'mirrors' | 'outOfSyncBytes' | 'progress' | 'etaSeconds' | 'reasons'>,
): SrStateEvent {
  const shown = reasons.slice(0, MAX_REASONS)
  const reasonsOmitted = reasons.length - shown.length
  return { sr, state, since, mirrors, outOfSyncBytes, progress, etaSeconds, reasons: shown, reasonsOmitted }
}
