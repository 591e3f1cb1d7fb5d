import { randomBytes } from 'node:crypto'
import type { Report } from '../sync-query/report/report.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/sr-state/transition.ts'
import type { SrStateEvent, TransitionEvent } from './answers.ts'

/** One thing that is told to whoever listens. */
export type SyncEvent =
  | { readonly kind: 'state'; readonly sr: string; readonly data: SrStateEvent }
  | { readonly kind: 'transition'; readonly sr: string; readonly data: TransitionEvent }
  | { readonly kind: 'removed'; readonly sr: string; readonly data: { readonly sr: string } }

export interface NumberedEvent {
  /** `RUN-NUMBER`; the number rises by one with each event of a run. */
  readonly id: string
  readonly event: SyncEvent
  /** Its data, written once however many read it. */
  readonly json: string
}

/** What is kept for those who come back: so many events, and of their texts no more than so many bytes. */
const KEPT: KeptEvents = { events: 512, bytes: 4_194_304 }
/** A host may have 5 000 reasons, and an event is kept. */
const MAX_REASONS = 10

export interface KeptEvents {
  readonly events: number
  readonly bytes: number
}

/**
 * What has happened to the SRs of this host, in order and numbered, for those who listen and for those who come back.
 *
 * Invariant: `#kept` holds the last events without a gap, the last of them with the number `#last`; `#keptBytes` is the length
 * of their texts.
 */
export class SyncEvents {
  /** Numbers are of one run of this program: after a restart nobody knows what was missed. */
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

  /** The id of the last event, which need not have been told to anybody. */
  get lastId(): string {
    return `${this.#run}-${this.#last}`
  }

  /** An SR has changed. @param status after it */
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

  /** These SRs are watched from now on. @param reportOf what is said of each of them */
  watch(srs: readonly string[], reportOf: (sr: string) => Report | null): void {
    const before = this.#watched
    this.#watched = new Set(srs)
    for (const sr of before) if (!this.#watched.has(sr)) this.#add({ kind: 'removed', sr, data: { sr } })
    for (const sr of this.#watched) {
      const report = before.has(sr) ? null : reportOf(sr)
      if (report !== null) this.#add({ kind: 'state', sr, data: levelOf(report) })
    }
  }

  /** Everything after the event of that id; `null`: that cannot be told, it is of another run or too long ago. */
  since(id: string): readonly NumberedEvent[] | null {
    const [run, digits = ''] = id.split('-')
    if (run !== this.#run || !/^\d{1,15}$/.test(digits)) return null
    const missed = this.#last - Number(digits)
    if (missed < 0 || missed > this.#kept.length) return null
    return this.#kept.slice(this.#kept.length - missed)
  }

  /** Told of each event in the same step, until the function that is returned is called. A listener must not throw. */
  subscribe(listener: (event: NumberedEvent) => void): () => void {
    // Its own, so that the same function may listen twice.
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

/** How an SR is, as an event. */
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
  const told = reasons.slice(0, MAX_REASONS)
  const reasonsOmitted = reasons.length - told.length
  return { sr, state, since, mirrors, outOfSyncBytes, progress, etaSeconds, reasons: told, reasonsOmitted }
}
