/**
 * Progress as it is shown: within one resync it never goes back. What is out of sync can grow while it runs, and a bar that
 * jumps back reads as a failure.
 */
export class SteadyProgress {
  #shown = new Map<string, number>()
  #next = new Map<string, number>()

  /**
   * What to show of it in this look.
   * @param since when it came into its state: another moment is another resync
   */
  of(name: string, since: string, progress: number | null): number | null {
    const key = `${name} ${since}`
    const before = this.#shown.get(key) ?? null
    const steady = progress === null ? before : Math.max(progress, before ?? 0)
    if (steady !== null) this.#next.set(key, steady)
    return steady
  }

  /** Ends a look: what was not asked for in it is forgotten. */
  endLook(): void {
    this.#shown = this.#next
    this.#next = new Map()
  }
}
