import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { countCodes } from '../platform/count-codes.ts'
import type { SourceUpdate } from '../sync-query/backend.ts'
import { BACKEND_NAMES, type BackendName, forEachBackend } from '../sync-query/backend-name.ts'
import { PROBLEM_CODES, type ProblemCode } from '../sync-query/judge/problem.ts'

/** A quiet host processes an event within milliseconds; seconds mean overload. */
const LAG_BUCKETS_SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 10]

/** Availability and problems of each backend's source. A source is down until it has reported all mirrors. */
export class SourceSeries {
  readonly #dumps: Record<BackendName, number> = forEachBackend(() => 0)
  readonly #isUp: Record<BackendName, boolean> = forEachBackend(() => false)
  readonly #up: Gauge<'backend'>
  readonly #lastEvent: Gauge<'backend'>
  readonly #lastFullRead: Gauge<'backend'>
  readonly #fullReads: Counter<'backend'>
  readonly #losses: Counter<'backend'>
  readonly #problems: Counter<'backend' | 'code'>
  readonly #unknownWords: Counter<'backend'>
  readonly #lag: Histogram<'backend'>

  constructor(registry: Registry) {
    const registers = [registry]
    const labelNames = ['backend'] as const
    this.#up = new Gauge({
      name: 'resync_monitor_source_up',
      help: '1 while the source of the backend (drbd, md) answers and has reported all mirrors. While 0, the SRs with such mirrors are unknown.',
      labelNames,
      registers,
    })
    this.#lastEvent = new Gauge({
      name: 'resync_monitor_source_last_event_timestamp_seconds',
      help: 'When the source last reported a change. Absent before the first.',
      labelNames,
      registers,
    })
    this.#lastFullRead = new Gauge({
      name: 'resync_monitor_source_last_full_read_timestamp_seconds',
      help: 'When everything was last read.',
      labelNames,
      registers,
    })
    this.#fullReads = new Counter({
      name: 'resync_monitor_source_full_reads_total',
      help: 'Complete dumps that were read. Absent for a source that does not count them.',
      labelNames,
      registers,
    })
    this.#losses = new Counter({
      name: 'resync_monitor_source_losses_total',
      help: 'Times that a source that was up went down.',
      labelNames,
      registers,
    })
    this.#problems = new Counter({
      name: 'resync_monitor_parse_problems_total',
      help: 'Texts of the kernel or of its configuration that were not understood or could not be read, by code.',
      labelNames: ['backend', 'code'],
      registers,
    })
    this.#unknownWords = new Counter({
      name: 'resync_monitor_unknown_words_total',
      help: 'Kernel words that this version does not know. They make a mirror unknown.',
      labelNames,
      registers,
    })
    this.#lag = new Histogram({
      name: 'resync_monitor_source_event_lag_seconds',
      help: 'Time from an event until the agent has processed it, for the oldest event of each batch.',
      labelNames,
      buckets: LAG_BUCKETS_SECONDS,
      registers,
    })
    for (const backend of BACKEND_NAMES) {
      const label = { backend }
      this.#up.set(label, 0)
      for (const counter of [this.#losses, this.#unknownWords]) counter.inc(label, 0)
      // `increase()` does not see the first increase of a new series.
      for (const [code, { backends }] of Object.entries(PROBLEM_CODES)) {
        if (backends.some(each => each === backend)) this.#problems.inc({ backend, code }, 0)
      }
    }
    this.#fullReads.inc({ backend: 'drbd' }, 0)
  }

  note(backend: BackendName, news: SourceUpdate<unknown>): void {
    const { at, changed, removed, doubt, problems, problemCounts, dumps, wholeAt, eventAt = null } = news
    const label = { backend }
    const isUp = doubt === null
    const isChange = changed.length + removed.length > 0 || isUp !== this.#isUp[backend]
    if (isChange) this.#lastEvent.set(label, at / 1000)
    this.#setUp(backend, isUp)
    if (wholeAt !== null) this.#lastFullRead.set(label, wholeAt / 1000)
    // After the clock was set back the lag is unknown.
    if (eventAt !== null && at >= eventAt) this.#lag.observe(label, (at - eventAt) / 1000)
    if (dumps !== undefined) {
      this.#fullReads.inc(label, dumps >= this.#dumps[backend] ? dumps - this.#dumps[backend] : dumps)
      this.#dumps[backend] = dumps
    }
    this.count(backend, problemCounts ?? countCodes(problems))
  }

  count(backend: BackendName, counts: ReadonlyMap<ProblemCode, number>): void {
    for (const [code, count] of counts) {
      this.#problems.inc({ backend, code }, count)
      if (code === 'unknown-word') this.#unknownWords.inc({ backend }, count)
    }
  }

  /** The source has ended; another one will start. */
  lose(backend: BackendName): void {
    this.#setUp(backend, false)
    this.#dumps[backend] = 0
  }

  #setUp(backend: BackendName, isUp: boolean): void {
    if (this.#isUp[backend] && !isUp) this.#losses.inc({ backend })
    this.#isUp[backend] = isUp
    this.#up.set({ backend }, Number(isUp))
  }
}
