import { type Backoff, backoffMs } from '../platform/time/backoff.ts'
import { rest } from '../platform/time/pause.ts'
import type { Report } from '../sync-query/report/report.ts'

/** Where reports go. Rejects when the report did not arrive. */
export interface ReportSink {
  push(report: Report): Promise<void>
}

/** Milliseconds. */
export interface PushPace extends Backoff {
  /** News that is no transition (progress, reasons) is pushed at most this often. */
  readonly progressEveryMs: number
}

const DEFAULT_PUSH_PACE: PushPace = { progressEveryMs: 10_000, firstRetryMs: 500, lastRetryMs: 30_000 }

/**
 * Pushes the reports of one SR: transitions at once, other news at its pace.
 *
 * Invariants: one push at a time; what is pushed is made at that moment, never queued, so after an outage of any length
 * only the truth of now arrives (a report is a level: none is needed twice, none older than the last).
 */
export class ReportPusher {
  readonly #make: () => Report
  readonly #sink: ReportSink
  readonly #pace: PushPace
  readonly #stop = new AbortController()
  #wanted: 'nothing' | 'news' | 'transition' = 'nothing'
  #busy: Promise<void> | null = null
  /** Ends the pause between two pieces of mere news when a transition comes. */
  #hurry: AbortController | null = null
  #failures = 0

  constructor(make: () => Report, sink: ReportSink, pace: PushPace = DEFAULT_PUSH_PACE) {
    this.#make = make
    this.#sink = sink
    this.#pace = pace
  }

  /** Says that there is something to push. */
  want(what: 'news' | 'transition'): void {
    if (this.#stop.signal.aborted || this.#wanted === 'transition') return
    this.#wanted = what
    if (what === 'transition') this.#hurry?.abort()
    this.#busy ??= this.#run()
  }

  /** How many pushes have failed since the last one that arrived. */
  get failures(): number {
    return this.#failures
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#hurry?.abort()
    await this.#busy
  }

  async #run(): Promise<void> {
    while (this.#wanted !== 'nothing' && !this.#stop.signal.aborted) {
      this.#wanted = 'nothing'
      try {
        await this.#sink.push(this.#make())
        this.#failures = 0
      } catch {
        // Whatever the cause, the answer is the same: the report still has to arrive.
        this.#failures += 1
        this.#wanted = 'transition'
        await rest(backoffMs(this.#pace, this.#failures), this.#stop.signal)
        continue
      }
      this.#hurry = new AbortController()
      // Closed while the push was under way: nothing is left to wait for.
      if (this.#isHurried() || this.#stop.signal.aborted) this.#hurry.abort()
      await rest(this.#pace.progressEveryMs, this.#hurry.signal)
    }
    this.#busy = null
  }

  /** A transition came while the last push was under way. */
  #isHurried(): boolean {
    return this.#wanted === 'transition'
  }
}
