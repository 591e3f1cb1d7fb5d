/**
 * The progress on screen. Within one resync it never decreases: the amount that is out of sync can grow during a resync, and a bar
 * that moves back looks like a failure.
 */
export class SteadyProgress {
  #shown = new Map<string, number>()
  #next = new Map<string, number>()

  /**
   * The progress to show in this frame.
   * @param since when the mirror entered its state: another moment is another resync
   */
  of(name: string, since: string, progress: number | null): number | null {
    const key = `${name} ${since}`
    const before = this.#shown.get(key) ?? null
    const steady = progress === null ? before : Math.max(progress, before ?? 0)
    if (steady !== null) this.#next.set(key, steady)
    return steady
  }

  /** Ends a frame: mirrors that were not in it are forgotten. */
  endFrame(): void {
    this.#shown = this.#next
    this.#next = new Map()
  }
}
