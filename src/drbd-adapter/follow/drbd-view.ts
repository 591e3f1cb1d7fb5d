import type { DrbdVolume } from '../../sync-query/judge/drbd.ts'

/** What the source of DRBD's volumes knows at this moment, for a caller that must not wait for its next update. */
export class DrbdView {
  #source: (mirror: string) => DrbdVolume | null = () => null

  /** `null`: there is no such volume, or the source is in doubt; it reports all volumes again when the doubt is over. */
  volume(mirror: string): DrbdVolume | null {
    return this.#source(mirror)
  }

  /** @returns takes the source away again */
  attach(source: (mirror: string) => DrbdVolume | null): () => void {
    this.#source = source
    return () => {
      if (this.#source === source) this.#source = () => null
    }
  }
}
