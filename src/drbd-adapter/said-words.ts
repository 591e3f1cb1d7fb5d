import type { Events2Change } from './events2/events2-line.ts'

/** The resources of which events say words while somebody compares; figures change all the time, and decide nothing. */
export class SaidWords {
  #resources: Set<string> | null = null

  /** Begins to collect; the set grows until `end`. */
  begin(): ReadonlySet<string> {
    this.#resources = new Set()
    return this.#resources
  }

  end(): void {
    this.#resources = null
  }

  note(line: Events2Change): void {
    if (this.#resources === null) return
    if (line.verb === 'change' && !line.saysWord() && line.oddKeys === undefined) return
    this.#resources.add(line.resource)
    if (line.newName !== undefined) this.#resources.add(line.newName)
  }
}
