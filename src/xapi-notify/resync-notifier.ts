import { randomUUID } from 'node:crypto'
import { type Backoff, backoffMs } from '../platform/time/backoff.ts'
import { type Clock, sleep } from '../platform/time/clock.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/transition.ts'
import type { XenApiClient } from '../xenapi-client/client.ts'
import { XenApiError, XenApiUnreachable } from '../xenapi-client/errors.ts'
import { createSrMessage, srMessageBodies } from '../xenapi-client/message-calls.ts'
import { advanceEpisode, type EpisodeEvent, type ResyncFinished, type ResyncStarted } from './resync-episode.ts'
import { dropOldEpisodes, type Journal, pendingEvents, type SrJournal } from './resync-journal.ts'
import { openJournal, saveJournal } from './resync-journal-file.ts'
import { type NotifyingHost, parseMessageBody, resyncMessage } from './resync-message.ts'
import { ResyncTask } from './resync-task.ts'
import { RetrySchedule } from './retry-schedule.ts'

/** Milliseconds. */
export interface NotifierPace extends Backoff {
  /** Time between updates of a task's progress. It is written only if it grew. */
  readonly progressEveryMs: number
  /** Time between checks of a task whose progress does not grow: the task may be gone. */
  readonly checkTaskEveryMs: number
  /** How long `close` waits for the answer to a call under way. */
  readonly closeWithinMs: number
}

export interface NotifierOptions {
  readonly client: XenApiClient
  readonly clock: Clock
  readonly host: NotifyingHost
  /** The file with the events that the pool does not have yet. Only one notifier at a time may use it. */
  readonly journalPath: string
  readonly pace?: Partial<NotifierPace>
  /** Limit of kept events; see `dropOldEpisodes`. Default 1 000. */
  readonly maxPending?: number
  /** Receives each problem once; the notifier continues. Must not throw. */
  readonly onProblem?: (problem: NotifierProblem) => void
}

export interface NotifierProblem {
  /**
   * `journal-broken`: the journal could not be used, and was renamed with the suffix `.broken`; `journal-unwritable`: nothing is sent
   * until it can be written; `refused`: the toolstack refuses a message or task of an SR.
   */
  readonly code: 'journal-broken' | 'journal-unwritable' | 'refused'
  readonly text: string
}

const DEFAULT_PACE: NotifierPace = {
  firstRetryMs: 500,
  lastRetryMs: 60_000,
  progressEveryMs: 5_000,
  checkTaskEveryMs: 60_000,
  closeWithinMs: 1_000,
}
const DEFAULT_MAX_PENDING = 1_000

/**
 * Notifies the pool when a resync of an SR starts and ends on this host: a message for each, and a task in between. Each message arrives
 * exactly once, however often this program or the toolstack is killed or unreachable.
 *
 * Invariants:
 * - Every event is in the journal on disk before it is sent, and stays there until the pool has it.
 * - Before an event is sent, the pool is asked whether it already has it: a call without an answer may have been carried out, and so may
 *   a call of the previous process.
 * - Events of one SR are sent in order. An SR whose events are refused, or get no answer, waits by itself while events of other SRs are
 *   sent. All SRs wait only while the pool does not answer, and even then a new event is tried once at once.
 *
 * One gap remains: a call that the toolstack carries out only after it has answered a later question. That message arrives twice.
 */
export class ResyncNotifier {
  readonly #options: NotifierOptions
  readonly #pace: NotifierPace
  readonly #journal: Journal
  /** The last progress of each SR that is resyncing. */
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

  /** Continues with what an earlier notifier left in the journal. A journal that cannot be used is reported, and a new one is started. */
  static async open(options: NotifierOptions): Promise<ResyncNotifier> {
    const { journalPath, host, onProblem } = options
    const onBroken = (text: string) => onProblem?.({ code: 'journal-broken', text })
    return new ResyncNotifier(options, await openJournal(journalPath, host.uuid, onBroken))
  }

  /** How many events the pool does not have yet. */
  get pending(): number {
    return pendingEvents(this.#journal)
  }

  /**
   * Takes the transitions and the status of an SR. Call it on every transition, on progress, and once after a start.
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
   * Sets which SRs are watched from now on. The open episode of any other SR is abandoned: its task is cancelled and no end is sent,
   * because the end is not known.
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

  /** Waits for the calls under way, and leaves the rest in the journal. */
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
    dropOldEpisodes(this.#journal, this.#options.maxPending ?? DEFAULT_MAX_PENDING)
    this.#unsaved = true
    // An SR that failed keeps its delay: otherwise each event of an SR that is refused would cause a useless call.
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

  /** Sends everything that can be sent now. False: the pool does not answer, or the journal cannot be written. */
  async #round(): Promise<boolean> {
    for (const sr of this.#retries.due(this.#journal.keys(), this.#options.clock.steadyNow())) {
      const entry = this.#journal.get(sr)
      if (entry === undefined) continue
      if (this.#stop.signal.aborted) return true
      try {
        await this.#deliver(sr, entry)
        await this.#updateTask(sr, entry)
        this.#retries.succeeded(sr)
        this.#problems.delete(sr)
      } catch (error) {
        if (error instanceof JournalUnwritable) return false
        this.#retries.failed(sr, this.#options.clock.steadyNow())
        if (error instanceof XenApiUnreachable) {
          for (const task of this.#tasks.values()) task.forgetRef()
          return false
        }
        if (!(error instanceof XenApiError)) throw error
        if (error.code === 'UUID_INVALID' && this.#watched?.has(sr) === false) this.#forget(sr)
        else this.#report(sr, { code: 'refused', text: `SR ${sr}: ${error.message}` })
      }
    }
    return this.#save()
  }

  /** Neither this host nor the pool has the SR any more: drops its events. */
  #forget(sr: string): void {
    this.#journal.delete(sr)
    this.#retries.succeeded(sr)
    this.#problems.delete(sr)
    this.#unsaved = true
  }

  async #deliver(sr: string, entry: SrJournal): Promise<void> {
    for (;;) {
      // Taken before the journal is written: an event that comes meanwhile is not on disk yet.
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

  /** @returns how many omitted episodes the message in the pool mentions */
  async #sendOnce(sr: string, omitted: number, event: ResyncStarted | ResyncFinished): Promise<number> {
    const { client, host } = this.#options
    const sent = (await srMessageBodies(client, sr, this.#callOptions)).map(parseMessageBody)
    const there = sent.find(each => each?.episode === event.episode && each.event === event.event)
    if (there) return there.omitted
    await createSrMessage(client, sr, resyncMessage(host, event, omitted), this.#callOptions)
    return omitted
  }

  async #endTask(sr: string, { event, episode }: EpisodeEvent): Promise<void> {
    this.#tasks.delete(sr)
    const task = new ResyncTask(this.#options, sr, episode)
    await task.end(event === 'finished' ? 'success' : 'cancelled', this.#callOptions)
  }

  async #updateTask(sr: string, { open, outbox }: SrJournal): Promise<void> {
    const progress = this.#progress.get(sr)
    if (open === null || outbox.length > 0 || progress === undefined) return
    let task = this.#tasks.get(sr)
    if (task?.episode !== open.id) {
      task = new ResyncTask(this.#options, sr, open.id)
      this.#tasks.set(sr, task)
    }
    const idleMs = this.#options.clock.steadyNow() - task.shownAtMs
    const { progressEveryMs, checkTaskEveryMs } = this.#pace
    if (idleMs >= (progress > task.shown ? progressEveryMs : checkTaskEveryMs)) {
      await task.show(progress, this.#callOptions)
    }
  }

  get #callOptions(): { readonly signal: AbortSignal } {
    return { signal: this.#cut.signal }
  }

  /** Returns false and reports the problem if the journal could not be written. */
  async #save(): Promise<boolean> {
    if (!this.#unsaved) return true
    this.#unsaved = false
    const { journalPath, host } = this.#options
    const problem = await saveJournal(journalPath, host.uuid, this.#journal)
    if (problem === null) this.#problems.delete('')
    else {
      this.#unsaved = true
      this.#report('', { code: 'journal-unwritable', text: problem })
    }
    return problem === null
  }

  /** Reports a problem once until it is solved. @param about an SR, or `''` for the journal */
  #report(about: string, problem: NotifierProblem): void {
    if (this.#problems.get(about) === problem.text) return
    this.#problems.set(about, problem.text)
    this.#options.onProblem?.(problem)
  }
}

/** The journal on disk does not have the latest state, so nothing more may be sent. */
class JournalUnwritable extends Error {}
