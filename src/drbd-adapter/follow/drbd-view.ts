import type { DrbdVolume } from '../../sync-query/judge/drbd.ts'

/** Reads the current state of a volume from the running source, for a caller that cannot wait for the next update. */
export class DrbdView {
  #source: (mirror: string) => DrbdVolume | null = () => null

  /** `null`: there is no such volume, or the source has a doubt. It reports all volumes again when the doubt ends. */
  volume(mirror: string): DrbdVolume | null {
    return this.#source(mirror)
  }

  /** @returns a function that detaches the source */
  attach(source: (mirror: string) => DrbdVolume | null): () => void {
    this.#source = source
    return () => {
      if (this.#source === source) this.#source = () => null
    }
  }
}
