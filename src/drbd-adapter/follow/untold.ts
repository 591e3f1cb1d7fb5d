import type { DrbdVolume } from '../../sync-query/judge/drbd.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import type { FreshProblems } from '../events2/events2-problems.ts'
import type { Events2State } from '../events2/events2-state.ts'
import { older } from '../events2/events2-time.ts'

/** What a source has learnt since its last update. To be taken in at once: between its parts nothing is true. */
export interface DrbdUpdate {
  /** Milliseconds since 1970, by this host's clock. */
  readonly at: number
  /** Volumes that are new or of which something was said. */
  readonly changed: readonly DrbdVolume[]
  /** Mirrors that are gone from the kernel. */
  readonly removed: readonly string[]
  /** `null`: all volumes there are have been told. Otherwise in a few words why that cannot be claimed. */
  readonly doubt: string | null
  /** What was not understood since the last update; of very many the first. */
  readonly problems: readonly Problem[]
  /** How many problems there were of each code since the last update, listed or not. */
  readonly problemCounts: ReadonlyMap<string, number>
  /** False where nothing is wrong, or `doubt` is not the whole cause yet. */
  readonly isFault: boolean
  /** How many whole dumps have been read so far. */
  readonly dumps: number
  /** When everything was last read or found unchanged, milliseconds since 1970; `null`: never. */
  readonly wholeAt: number | null
  /**
   * When drbdsetup printed the oldest line that this is made of, milliseconds since 1970 by this host's clock; `null`: it is
   * made of a whole dump or of figures that were looked up, or this drbdsetup knows no `--timestamps`.
   */
  readonly eventAt: number | null
}

const MAX_PROBLEMS = 100

/** How often it is confirmed that there is no DRBD. */
const CONFIRM_ABSENCE_EVERY_MS = 5_000

/**
 * What has been learnt and not been told yet. The source adds to it at its own pace, the consumer takes from it at its own.
 *
 * Invariants: there is no more in it than volumes in the kernel and volumes told before, however long nobody takes
 * anything; while there is a doubt no volume is told, and when it is lifted all of them are.
 */
export class Untold {
  readonly #now: () => number
  /** Mirrors that the consumer takes to be there. */
  readonly #told = new Set<string>()
  readonly #mirrors = new Set<string>()
  /** `null`: the kernel has no DRBD, and so no volumes. */
  #state: Events2State | null = null
  #doubt: string | null = null
  #isFault = false
  #problems: Problem[] = []
  #problemCounts = new Map<string, number>()
  #dumps = 0
  #wholeAt: number | null = null
  #eventAt: number | null = null
  #hasNews = false
  #takenAt = 0
  #costMs = 0
  #isOver = false
  #wake: () => void = () => undefined

  constructor(now: () => number) {
    this.#now = now
  }

  /** How long it took the last time to make an update and to take it in. */
  get costMs(): number {
    return this.#costMs
  }

  /** Everything is about to be read; the cause of an older doubt is kept. */
  unread(): void {
    if (this.#doubt === null) this.doubt('not everything has been read yet', false)
  }

  /** From now on nothing is known for certain. @param isFault false: it has only begun, or its cause is not known yet */
  doubt(cause: string, isFault = true): void {
    if (this.#doubt === cause && this.#isFault === isFault) return
    this.#doubt = cause
    this.#isFault = isFault
    this.#forgetChanges()
    this.#announce()
  }

  /** All that there is has been read, and is in `state`. */
  whole(state: Events2State | null): void {
    if (state !== null) this.#dumps += 1
    else if (this.#state === null && this.#doubt === null && this.#isFresh()) return
    this.#state = state
    this.#doubt = null
    this.#addAll()
    this.confirm()
  }

  /** Everything was found to be as it was told; after a doubt all of it is told again. */
  confirm(): void {
    if (this.#doubt !== null) this.#addAll()
    this.#doubt = null
    this.#wholeAt = this.#now()
    this.#announce()
  }

  /** It was confirmed a moment ago, by a clock that may be set. */
  #isFresh(): boolean {
    return this.#wholeAt !== null && Math.abs(this.#now() - this.#wholeAt) < CONFIRM_ABSENCE_EVERY_MS
  }

  #addAll(): void {
    this.#forgetChanges()
    for (const mirror of this.#told) this.#mirrors.add(mirror)
    for (const { mirror } of this.#state?.devices() ?? []) this.#mirrors.add(mirror)
  }

  /** @param eventAt of the oldest line that they were changed by, as of `DrbdUpdate` */
  changed(mirrors: ReadonlySet<string>, eventAt: number | null): void {
    if (this.#doubt !== null) return
    // A line that no mirror was changed by waits for nothing: it would pass for the oldest one until another is changed.
    if (mirrors.size > 0) this.#eventAt = older(this.#eventAt, eventAt)
    for (const mirror of mirrors) {
      if (this.#told.has(mirror) || this.#state?.device(mirror) !== undefined) this.#mirrors.add(mirror)
      // It came and went before anybody was told.
      else this.#mirrors.delete(mirror)
    }
    if (this.#mirrors.size > 0) this.#announce()
    else this.#eventAt = null
  }

  misunderstood({ problems, counts }: FreshProblems): void {
    if (counts.size === 0) return
    this.#problems.push(...problems.slice(0, MAX_PROBLEMS - this.#problems.length))
    for (const [code, count] of counts) this.#problemCounts.set(code, (this.#problemCounts.get(code) ?? 0) + count)
    this.#announce()
  }

  /** Nothing will be added any more. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  /** A volume as it is known now; `null`: there is none, or nothing can be claimed. */
  volume(mirror: string): DrbdVolume | null {
    return this.#doubt === null ? (this.#state?.volume(mirror) ?? null) : null
  }

  /** Waits until there is something to tell; `null`: there will be nothing any more. */
  async next(): Promise<DrbdUpdate | null> {
    if (this.#takenAt > 0) this.#costMs = performance.now() - this.#takenAt
    while (!this.#hasNews && !this.#isOver) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    return this.#isOver ? null : this.#take()
  }

  #forgetChanges(): void {
    this.#mirrors.clear()
    this.#eventAt = null
  }

  #announce(): void {
    this.#hasNews = true
    this.#wake()
  }

  #take(): DrbdUpdate {
    this.#takenAt = performance.now()
    const changed: DrbdVolume[] = []
    const removed: string[] = []
    for (const mirror of this.#mirrors) {
      const volume = this.#state?.takeVolume(mirror) ?? null
      if (volume !== null) {
        changed.push(volume)
        this.#told.add(mirror)
      } else if (this.#told.delete(mirror)) removed.push(mirror)
    }
    const problems = this.#problems
    const problemCounts = this.#problemCounts
    const eventAt = this.#eventAt
    this.#forgetChanges()
    this.#problems = []
    this.#problemCounts = new Map()
    this.#hasNews = false
    return {
      at: this.#now(),
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
