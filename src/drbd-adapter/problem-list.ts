import type { Problem, ProblemCode } from '../sync-query/judge/problem.ts'

const MAX_TEXT = 200
const MAX_EXCERPT = 120
const MAX_LISTED = 1000

/** Creates a problem whose sentence ends with an excerpt of the input. */
export function drbdProblem(device: string | null, code: ProblemCode, sentence: string, input: string): Problem {
  const excerpt = input.length > MAX_EXCERPT ? `${input.slice(0, MAX_EXCERPT)}…` : input
  return { device, code, text: `${sentence}: ${excerpt}`.slice(0, MAX_TEXT) }
}

/** The problems of one text: the first thousand, and the number of others. */
export class ProblemList {
  readonly #listed: Problem[] = []
  #more = 0

  /** @param place a line or a path in the text */
  add(device: string | null, code: ProblemCode, place: string, sentence: string, read: string): void {
    if (this.#listed.length < MAX_LISTED) this.#listed.push(drbdProblem(device, code, `${place}: ${sentence}`, read))
    else this.#more += 1
  }

  all(): Problem[] {
    if (this.#more === 0) return this.#listed
    return [
      ...this.#listed,
      { device: null, code: 'more-problems', text: `${this.#more} more problems are not listed` },
    ]
  }
}
