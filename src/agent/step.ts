import type { WatchedSr } from '../host-state/watched-sr.ts'
import type { MirrorChange } from '../sync-query/sr-state/host-mirrors.ts'

const NO_CHANGES: readonly MirrorChange[] = []

/** Changes that are told together, by the SR they concern. */
export class Step {
  readonly #changes = new Map<WatchedSr, MirrorChange[]>()

  add(srs: readonly WatchedSr[], change: MirrorChange): void {
    for (const sr of srs) {
      const changes = this.#changes.get(sr)
      if (changes === undefined) this.#changes.set(sr, [change])
      else changes.push(change)
    }
  }

  of(sr: WatchedSr): readonly MirrorChange[] {
    return this.#changes.get(sr) ?? NO_CHANGES
  }
}
