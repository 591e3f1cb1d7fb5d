import type { ShareChange } from '../sync-query/history/host-mirrors.ts'
import type { WatchedSr } from './watched-sr.ts'

const NO_CHANGES: readonly ShareChange[] = []

/**
 * The changes of one input, by SR. They are true only together: an SR is judged once, after all of them.
 *
 * Each event makes a step, and nearly every event changes one SR: it has fields of its own, because a `Map` costs more than the rest.
 */
export class Step {
  #first: WatchedSr | null = null
  #ofFirst: ShareChange[] | null = null
  /** The changes of other SRs; `null`: there are none. */
  #ofOthers: Map<WatchedSr, ShareChange[]> | null = null
  /** `null`: no SR. */
  #stale: Set<string> | null = null

  add(srs: readonly WatchedSr[], change: ShareChange): void {
    for (const sr of srs) {
      if (this.#ofFirst === null) {
        this.#first = sr
        this.#ofFirst = [change]
      } else if (sr === this.#first) this.#ofFirst.push(change)
      else this.#addToOther(sr, change)
    }
  }

  #addToOther(sr: WatchedSr, change: ShareChange): void {
    this.#ofOthers ??= new Map()
    const changes = this.#ofOthers.get(sr)
    if (changes === undefined) this.#ofOthers.set(sr, [change])
    else changes.push(change)
  }

  of(sr: WatchedSr): readonly ShareChange[] {
    const changes = sr === this.#first ? this.#ofFirst : this.#ofOthers?.get(sr)
    return changes ?? NO_CHANGES
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
