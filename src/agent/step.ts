import type { MirrorChange } from '../sync-query/host-mirrors.ts'
import type { WatchedSr } from './watched-sr.ts'

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
