import type { Problem, ProblemCode } from '../sync-query/judge/problem.ts'

const MAX_TEXT = 200
const MAX_EXCERPT = 120
const MAX_LISTED = 1000

/** A problem whose sentence ends with an excerpt of what was read. */
export function drbdProblem(device: string | null, code: ProblemCode, sentence: string, read: string): Problem {
  const excerpt = read.length > MAX_EXCERPT ? `${read.slice(0, MAX_EXCERPT)}…` : read
  return { device, code, text: `${sentence}: ${excerpt}`.slice(0, MAX_TEXT) }
}

/** The problems of one text: the first thousand, and how many more there are. */
export class ProblemList {
  readonly #listed: Problem[] = []
  #more = 0

  /** @param place where it is: a line or a path */
  add(device: string | null, code: ProblemCode, place: string, sentence: string, read: string): void {
    if (this.#listed.length < MAX_LISTED) this.#listed.push(drbdProblem(device, code, `${place}: ${sentence}`, read))
    else this.#more += 1
  }

  all(): Problem[] {
    if (this.#more === 0) return this.#listed
    return [...this.#listed, { device: null, code: 'more-problems', text: `${this.#more} more problems are left out` }]
  }
}
