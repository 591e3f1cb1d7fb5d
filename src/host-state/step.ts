import type { ShareChange } from '../sync-query/history/host-mirrors.ts'
import type { WatchedSr } from './watched-sr.ts'

const NO_CHANGES: readonly ShareChange[] = []

/** The changes of one input, by SR. They are true only together: an SR is judged once, after all of them. */
export class Step {
  readonly #changes = new Map<WatchedSr, ShareChange[]>()
  /** `null`: no SR. Each event makes a step, and hardly any has one. */
  #stale: Set<string> | null = null

  add(srs: readonly WatchedSr[], change: ShareChange): void {
    for (const sr of srs) {
      const changes = this.#changes.get(sr)
      if (changes === undefined) this.#changes.set(sr, [change])
      else changes.push(change)
    }
  }

  of(sr: WatchedSr): readonly ShareChange[] {
    return this.#changes.get(sr) ?? NO_CHANGES
  }

  /** The report of an SR must be pushed whatever has changed: the pool has none. */
  addStale(sr: string): void {
    this.#stale ??= new Set()
    this.#stale.add(sr)
  }

  isStale(sr: string): boolean {
    return this.#stale?.has(sr) === true
  }
}
