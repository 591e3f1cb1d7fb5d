import type { Clock } from '../../platform/time/clock.ts'
import type { SourceUpdate } from '../../sync-query/backend.ts'
import type { DrbdVolume } from '../../sync-query/judge/drbd.ts'
import type { Problem, ProblemCode } from '../../sync-query/judge/problem.ts'
import type { FreshProblems } from '../events2/events2-problems.ts'
import type { Events2State } from '../events2/events2-state.ts'
import { older } from '../events2/events2-time.ts'

/** An update with every optional part. `eventAt` is `null` after a dump, and with a drbdsetup that has no `--timestamps`. */
export type DrbdUpdate = Required<SourceUpdate<DrbdVolume>>

const MAX_PROBLEMS = 100

/** Milliseconds between two confirmations that DRBD is not loaded. */
const CONFIRM_ABSENCE_EVERY_MS = 5_000

/**
 * Merges changes into one update until the consumer takes it. The source adds at its own pace, the consumer takes at its own.
 *
 * Invariants: the size is bounded by the volumes in the kernel and the volumes reported before, however long the consumer waits;
 * no volume is reported while there is a doubt, and all volumes are reported when the doubt ends.
 */
export class PendingUpdate {
  readonly #clock: Clock
  /** Mirrors that the consumer knows. */
  readonly #reported = new Set<string>()
  readonly #mirrors = new Set<string>()
  /** `null`: the kernel has no DRBD, and so no volumes. */
  #state: Events2State | null = null
  #doubt: string | null = null
  #isFault = false
  #problems: Problem[] = []
  #problemCounts = new Map<ProblemCode, number>()
  #dumps = 0
  #wholeAt: number | null = null
  #eventAt: number | null = null
  #isReady = false
  #takenAtMs: number | null = null
  #costMs = 0
  #isOver = false
  #wake: () => void = () => undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds that the last update took to build and to consume. */
  get costMs(): number {
    return this.#costMs
  }

  /** A complete read begins. The cause of an older doubt stays. */
  startReading(): void {
    if (this.#doubt === null) this.doubt('not everything has been read yet', false)
  }

  /** Nothing is certain from now on. @param isFault false: reading has only begun, or the final cause is not known yet */
  doubt(cause: string, isFault = true): void {
    if (this.#doubt === cause && this.#isFault === isFault) return
    this.#doubt = cause
    this.#isFault = isFault
    this.#clearChanges()
    this.#notify()
  }

  /** Everything has been read; `state` holds it. */
  readComplete(state: Events2State | null): void {
    if (state !== null) this.#dumps += 1
    else if (this.#state === null && this.#doubt === null && this.#isFresh()) return
    this.#state = state
    this.#doubt = null
    this.#addAll()
    this.confirm()
  }

  /** Everything is as reported. After a doubt all of it is reported again. */
  confirm(): void {
    if (this.#doubt !== null) this.#addAll()
    this.#doubt = null
    this.#wholeAt = this.#clock.now()
    this.#notify()
  }

  /** The last confirmation is recent, by a clock that can be set. */
  #isFresh(): boolean {
    return this.#wholeAt !== null && Math.abs(this.#clock.now() - this.#wholeAt) < CONFIRM_ABSENCE_EVERY_MS
  }

  #addAll(): void {
    this.#clearChanges()
    for (const mirror of this.#reported) this.#mirrors.add(mirror)
    for (const { mirror } of this.#state?.devices() ?? []) this.#mirrors.add(mirror)
  }

  /** @param eventAt time of the oldest line that changed them, as in `DrbdUpdate` */
  addChanges(mirrors: ReadonlySet<string>, eventAt: number | null): void {
    if (this.#doubt !== null) return
    // A line that changed no mirror must not count as the oldest line of the next change.
    if (mirrors.size > 0) this.#eventAt = older(this.#eventAt, eventAt)
    for (const mirror of mirrors) {
      if (this.#reported.has(mirror) || this.#state?.device(mirror) !== undefined) this.#mirrors.add(mirror)
      // The mirror appeared and disappeared between two updates.
      else this.#mirrors.delete(mirror)
    }
    if (this.#mirrors.size > 0) this.#notify()
    else this.#eventAt = null
  }

  addProblems({ problems, counts }: FreshProblems): void {
    if (counts.size === 0) return
    this.#problems.push(...problems.slice(0, MAX_PROBLEMS - this.#problems.length))
    for (const [code, count] of counts) this.#problemCounts.set(code, (this.#problemCounts.get(code) ?? 0) + count)
    this.#notify()
  }

  /** Nothing will be added any more. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  /** The current volume; `null`: it does not exist, or there is a doubt. */
  volume(mirror: string): DrbdVolume | null {
    return this.#doubt === null ? (this.#state?.volume(mirror) ?? null) : null
  }

  /** Waits for the next update; `null`: there will be no more. */
  async next(): Promise<DrbdUpdate | null> {
    if (this.#takenAtMs !== null) this.#costMs = this.#clock.steadyNow() - this.#takenAtMs
    while (!this.#isReady && !this.#isOver) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    return this.#isOver ? null : this.#take()
  }

  #clearChanges(): void {
    this.#mirrors.clear()
    this.#eventAt = null
  }

  #notify(): void {
    this.#isReady = true
    this.#wake()
  }

  #take(): DrbdUpdate {
    this.#takenAtMs = this.#clock.steadyNow()
    const changed: DrbdVolume[] = []
    const removed: string[] = []
    for (const mirror of this.#mirrors) {
      const volume = this.#state?.takeVolume(mirror) ?? null
      if (volume !== null) {
        changed.push(volume)
        this.#reported.add(mirror)
      } else if (this.#reported.delete(mirror)) removed.push(mirror)
    }
    const problems = this.#problems
    const problemCounts = this.#problemCounts
    const eventAt = this.#eventAt
    this.#clearChanges()
    this.#problems = []
    this.#problemCounts = new Map()
    this.#isReady = false
    return {
      at: this.#clock.now(),
      changed,
      removed,
      doubt: this.#doubt,
      problems,
      problemCounts,
      isFault: this.#doubt !== null && this.#isFault,
      dumps: this.#dumps,
      wholeAt: this.#wholeAt,
      eventAt,
    }
  }
}
