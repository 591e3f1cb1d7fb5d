import { type Backoff, backoffMs } from '../platform/time/backoff.ts'
import { type Clock, sleep } from '../platform/time/clock.ts'
import type { Report } from '../sync-query/report/report.ts'

/** Receives reports. Rejects when a report did not arrive. */
export interface ReportSink {
  push(report: Report): Promise<void>
}

/** Milliseconds. */
export interface PushPace extends Backoff {
  /** Milliseconds between pushes of changes that are no transition (progress, reasons). */
  readonly progressEveryMs: number
}

const DEFAULT_PUSH_PACE: PushPace = { progressEveryMs: 10_000, firstRetryMs: 500, lastRetryMs: 30_000 }

/**
 * Pushes the reports of one SR: transitions at once, other changes at a limited rate.
 *
 * Invariants: one push at a time. Each report is made when it is pushed and is never queued, so after an outage of any length only the
 * present state is pushed: a report is a level.
 */
export class ReportPusher {
  readonly #make: () => Report
  readonly #sink: ReportSink
  readonly #clock: Clock
  readonly #pace: PushPace
  readonly #stop = new AbortController()
  #wanted: 'nothing' | 'news' | 'transition' = 'nothing'
  #busy: Promise<void> | null = null
  /** Ends the pause between two pushes when a transition comes. */
  #hurry: AbortController | null = null
  #failures = 0

  constructor(make: () => Report, sink: ReportSink, clock: Clock, pace: PushPace = DEFAULT_PUSH_PACE) {
    this.#make = make
    this.#sink = sink
    this.#clock = clock
    this.#pace = pace
  }

  /** Requests a push. */
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
        // For every cause the report still has to be pushed.
        this.#failures += 1
        this.#wanted = 'transition'
        await sleep(this.#clock, backoffMs(this.#pace, this.#failures), this.#stop.signal)
        continue
      }
      this.#hurry = new AbortController()
      // It was closed during the push: do not wait.
      if (this.#isHurried() || this.#stop.signal.aborted) this.#hurry.abort()
      await sleep(this.#clock, this.#pace.progressEveryMs, this.#hurry.signal)
    }
    this.#busy = null
  }

  /** Whether a transition came during the last push. */
  #isHurried(): boolean {
    return this.#wanted === 'transition'
  }
}
