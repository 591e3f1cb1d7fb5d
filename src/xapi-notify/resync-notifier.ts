import { randomUUID } from 'node:crypto'
import { type Backoff, backoffMs } from '../platform/time/backoff.ts'
import { type Clock, sleep } from '../platform/time/clock.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/sr-state/transition.ts'
import type { XenApiClient } from '../xenapi-client/client.ts'
import { XenApiError, XenApiUnreachable } from '../xenapi-client/errors.ts'
import { createSrMessage, srMessageBodies } from '../xenapi-client/message-calls.ts'
import { advanceEpisode, type EpisodeEvent, type ResyncFinished, type ResyncStarted } from './resync-episode.ts'
import { type Journal, makeRoom, pendingEvents, type SrJournal } from './resync-journal.ts'
import { openJournal, saveJournal } from './resync-journal-file.ts'
import { type NotifyingHost, parseMessageBody, resyncMessage } from './resync-message.ts'
import { ResyncTask } from './resync-task.ts'
import { RetrySchedule } from './retry-schedule.ts'

/** Milliseconds. */
export interface NotifierPace extends Backoff {
  /** The progress of a task is written at most this often, and only if it grew. */
  readonly progressEveryMs: number
  /** A task whose progress stands still is looked after this often: it may be gone. */
  readonly lookAfterEveryMs: number
  /** How long closing waits for the answer to a call under way. */
  readonly closeWithinMs: number
}

export interface NotifierOptions {
  readonly client: XenApiClient
  readonly clock: Clock
  readonly host: NotifyingHost
  /** The file that remembers what the pool has to be told. One notifier at a time may use it. */
  readonly journalPath: string
  readonly pace?: Partial<NotifierPace>
  /** More events than this are not kept; see `makeRoom`. Default 1 000. */
  readonly maxPending?: number
  /** Told once of each thing that is wrong and that the notifier goes on without. Must not throw. */
  readonly onProblem?: (problem: NotifierProblem) => void
}

export interface NotifierProblem {
  /**
   * `journal-broken`: it could not be used, and was set aside with the suffix `.broken`; `journal-unwritable`: nothing is
   * told until it can be written; `refused`: the toolstack does not take what it is told of an SR.
   */
  readonly code: 'journal-broken' | 'journal-unwritable' | 'refused'
  readonly text: string
}

const DEFAULT_PACE: NotifierPace = {
  firstRetryMs: 500,
  lastRetryMs: 60_000,
  progressEveryMs: 5_000,
  lookAfterEveryMs: 60_000,
  closeWithinMs: 1_000,
}
const DEFAULT_MAX_PENDING = 1_000

/**
 * Tells the pool when a resync of an SR starts and ends on this host: a message for each, and a task in between. Each
 * message arrives once, however often this program or the toolstack is killed or away.
 *
 * Invariants:
 * - nothing is sent that is not in the journal on the disk; nothing leaves it before the pool has it;
 * - nothing is sent without having asked the pool whether it is there already: a call without an answer may have been
 *   carried out, and so may one of the process before this one;
 * - events of one SR are told in order. An SR whose events are refused, or get no answer, waits by itself: the others
 *   are told meanwhile. All wait only while the pool does not answer, and even then a new event is tried once at once.
 *
 * What is left is a call that the toolstack carries out only after it has answered a later question. It would tell twice.
 */
export class ResyncNotifier {
  readonly #options: NotifierOptions
  readonly #pace: NotifierPace
  readonly #journal: Journal
  /** The progress of the SRs that are resyncing as far as was last noted; absent: they are not. */
  readonly #progress = new Map<string, number>()
  readonly #tasks = new Map<string, ResyncTask>()
  readonly #problems = new Map<string, string>()
  readonly #retries: RetrySchedule
  readonly #stop = new AbortController()
  readonly #cut = new AbortController()
  /** Ends the pause before the next round. */
  #hurry = new AbortController()
  #watched: ReadonlySet<string> | null = null
  #unsaved = false
  #busy: Promise<void> | null = null

  private constructor(options: NotifierOptions, journal: Journal) {
    this.#options = options
    this.#pace = { ...DEFAULT_PACE, ...options.pace }
    this.#journal = journal
    this.#retries = new RetrySchedule(this.#pace)
    this.#wake()
  }

  /** Takes up what an earlier notifier left in the journal. A journal that cannot be used is told of, and begun anew. */
  static async open(options: NotifierOptions): Promise<ResyncNotifier> {
    const { journalPath, host, onProblem } = options
    const onBroken = (text: string) => onProblem?.({ code: 'journal-broken', text })
    return new ResyncNotifier(options, await openJournal(journalPath, host.uuid, onBroken))
  }

  /** How many events the pool has yet to be told. */
  get pending(): number {
    return pendingEvents(this.#journal)
  }

  /**
   * Takes in what happened to an SR: to be called on every edge, on progress, and with the level after a start.
   * @param status after all of the transitions
   */
  note(sr: string, transitions: readonly Transition[], status: SrStatus): void {
    if (this.#stop.signal.aborted) return
    const entry: SrJournal = this.#journal.get(sr) ?? { open: null, outbox: [], omitted: 0 }
    const { open, events } = advanceEpisode(entry.open, transitions, status, randomUUID)
    if (open !== entry.open || events.length > 0) {
      entry.open = open
      this.#journal.set(sr, entry)
      this.#enqueue(sr, entry, events)
    }
    if (status.state === 'resyncing') this.#progress.set(sr, status.progress ?? 0)
    else this.#progress.delete(sr)
    this.#wake()
  }

  /**
   * Says which SRs are watched from now on. What was open of another is given up: its task is ended, and no end is told,
   * because nobody knows of one.
   */
  retain(srs: Iterable<string>): void {
    this.#watched = new Set(srs)
    for (const [sr, entry] of this.#journal) {
      if (this.#watched.has(sr) || entry.open === null) continue
      this.#progress.delete(sr)
      this.#enqueue(sr, entry, [{ event: 'abandoned', episode: entry.open.id }])
      entry.open = null
    }
    this.#wake()
  }

  /** Waits for what is under way, and leaves the rest in the journal. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#hurry.abort()
    const { clock } = this.#options
    const cancel = clock.after(this.#pace.closeWithinMs, () => this.#cut.abort(new Error('the notifier was closed')))
    await this.#busy
    cancel()
    await this.#save()
  }

  #enqueue(sr: string, entry: SrJournal, events: readonly EpisodeEvent[]): void {
    entry.outbox.push(...events)
    makeRoom(this.#journal, this.#options.maxPending ?? DEFAULT_MAX_PENDING)
    this.#unsaved = true
    // what has failed keeps its pause: otherwise each event of an SR that is refused would be a call for nothing
    if (events.length > 0 && !this.#retries.hasFailed(sr)) this.#hurry.abort()
  }

  #wake(): void {
    if (!this.#stop.signal.aborted && this.#hasWork()) this.#busy ??= this.#run()
  }

  #hasWork(): boolean {
    return this.#unsaved || this.#progress.size > 0 || this.pending > 0
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#stop.signal.aborted && this.#hasWork()) {
      this.#hurry = new AbortController()
      const well = await this.#round()
      failures = well ? 0 : failures + 1
      const pauseMs = well
        ? this.#retries.waitMs(this.#options.clock.steadyNow(), this.#pace.progressEveryMs)
        : backoffMs(this.#pace, failures)
      await sleep(this.#options.clock, pauseMs, this.#hurry.signal)
    }
    this.#busy = null
  }

  /** Tells all that can be told now. False: the pool does not answer, or the journal cannot be written. */
  async #round(): Promise<boolean> {
    for (const sr of this.#retries.due(this.#journal.keys(), this.#options.clock.steadyNow())) {
      const entry = this.#journal.get(sr)
      if (entry === undefined) continue
      if (this.#stop.signal.aborted) return true
      try {
        await this.#deliver(sr, entry)
        await this.#lookAfterTask(sr, entry)
        this.#retries.succeeded(sr)
        this.#problems.delete(sr)
      } catch (error) {
        if (error instanceof JournalUnwritable) return false
        this.#retries.failed(sr, this.#options.clock.steadyNow())
        if (error instanceof XenApiUnreachable) {
          for (const task of this.#tasks.values()) task.doubt()
          return false
        }
        if (!(error instanceof XenApiError)) throw error
        if (error.code === 'UUID_INVALID' && this.#watched?.has(sr) === false) this.#forget(sr)
        else this.#tell(sr, { code: 'refused', text: `SR ${sr}: ${error.message}` })
      }
    }
    return this.#save()
  }

  /** Neither this host nor the pool has the SR any more: there is nobody to tell. */
  #forget(sr: string): void {
    this.#journal.delete(sr)
    this.#retries.succeeded(sr)
    this.#problems.delete(sr)
    this.#unsaved = true
  }

  async #deliver(sr: string, entry: SrJournal): Promise<void> {
    for (;;) {
      // looked at before the journal is written: what comes meanwhile is not yet on the disk
      const first = entry.outbox[0]
      if (!(await this.#save())) throw new JournalUnwritable()
      if (first === undefined) return
      const omitted = first.event === 'abandoned' ? 0 : await this.#sendOnce(sr, entry.omitted, first)
      if (first.event !== 'started') await this.#endTask(sr, first)
      entry.outbox.shift()
      entry.omitted -= Math.min(omitted, entry.omitted)
      if (entry.outbox.length === 0 && entry.open === null && entry.omitted === 0) this.#journal.delete(sr)
      this.#unsaved = true
    }
  }

  /** @returns how many omitted episodes the message speaks of, whoever sent it */
  async #sendOnce(sr: string, omitted: number, event: ResyncStarted | ResyncFinished): Promise<number> {
    const { client, host } = this.#options
    const told = (await srMessageBodies(client, sr, this.#callOptions)).map(parseMessageBody)
    const there = told.find(each => each?.episode === event.episode && each.event === event.event)
    if (there) return there.omitted
    await createSrMessage(client, sr, resyncMessage(host, event, omitted), this.#callOptions)
    return omitted
  }

  async #endTask(sr: string, { event, episode }: EpisodeEvent): Promise<void> {
    this.#tasks.delete(sr)
    const task = new ResyncTask(this.#options, sr, episode)
    await task.end(event === 'finished' ? 'success' : 'cancelled', this.#callOptions)
  }

  async #lookAfterTask(sr: string, { open, outbox }: SrJournal): Promise<void> {
    const progress = this.#progress.get(sr)
    if (open === null || outbox.length > 0 || progress === undefined) return
    let task = this.#tasks.get(sr)
    if (task?.episode !== open.id) {
      task = new ResyncTask(this.#options, sr, open.id)
      this.#tasks.set(sr, task)
    }
    const idleMs = this.#options.clock.steadyNow() - task.shownAtMs
    const { progressEveryMs, lookAfterEveryMs } = this.#pace
    if (idleMs >= (progress > task.shown ? progressEveryMs : lookAfterEveryMs)) {
      await task.show(progress, this.#callOptions)
    }
  }

  get #callOptions(): { readonly signal: AbortSignal } {
    return { signal: this.#cut.signal }
  }

  /** False, and told: the journal on the disk is not what it should be. */
  async #save(): Promise<boolean> {
    if (!this.#unsaved) return true
    this.#unsaved = false
    const { journalPath, host } = this.#options
    const wrong = await saveJournal(journalPath, host.uuid, this.#journal)
    if (wrong === null) this.#problems.delete('')
    else {
      this.#unsaved = true
      this.#tell('', { code: 'journal-unwritable', text: wrong })
    }
    return wrong === null
  }

  /** @param about an SR, or `''` for the journal: what is wrong with it is told once until it was well again */
  #tell(about: string, problem: NotifierProblem): void {
    if (this.#problems.get(about) === problem.text) return
    this.#problems.set(about, problem.text)
    this.#options.onProblem?.(problem)
  }
}

/** What was sent is not yet known on the disk to have been sent. */
class JournalUnwritable extends Error {}
