import type { DrbdDoubt } from '../../sync-query/judge/drbd.ts'
import type { Problem, ProblemCode } from '../../sync-query/judge/problem.ts'
import { detachedWord } from '../drbd-words.ts'
import { drbdProblem } from '../problem-list.ts'
import type { Events2Change } from './events2-line.ts'

const MAX_KEPT = 100
const MAX_ODD_KEYS = 256
/** Maximum number of characters of the input that a text can quote. */
const MAX_READ = 512

/** Maximum number of doubts of one line; one is enough to doubt it. */
const MAX_DOUBTS = 4

const NO_DOUBTS: readonly DrbdDoubt[] = []

/** Maximum number of problems per code that one `takeFresh` returns. */
const MAX_FRESH = 4

/** Problems since the last call: some of each code, and the number of each code. */
export interface FreshProblems {
  readonly problems: readonly Problem[]
  readonly counts: ReadonlyMap<ProblemCode, number>
}

/** Collects the problems of an endless stream: counts all by code, keeps the first hundred. */
export class Events2Problems {
  readonly #kept: Problem[] = []
  readonly #counts = new Map<ProblemCode, number>()
  readonly #oddKeys = new Set<string>()
  #fresh: Problem[] = []
  #freshCounts = new Map<ProblemCode, number>()

  get kept(): readonly Problem[] {
    return this.#kept
  }

  get counts(): ReadonlyMap<ProblemCode, number> {
    return this.#counts
  }

  /** Returns the problems that were added since the last call. */
  takeFresh(): FreshProblems {
    const fresh = { problems: this.#fresh, counts: this.#freshCounts }
    this.#fresh = []
    this.#freshCounts = new Map()
    return fresh
  }

  add(device: string | null, code: ProblemCode, sentence: string, read: string): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1)
    const fresh = this.#freshCounts.get(code) ?? 0
    this.#freshCounts.set(code, fresh + 1)
    const isKept = this.#kept.length < MAX_KEPT
    if (!isKept && fresh >= MAX_FRESH) return
    const found = drbdProblem(device, code, sentence, Buffer.from(read.slice(0, MAX_READ)).toString())
    if (isKept) this.#kept.push(found)
    if (fresh < MAX_FRESH) this.#fresh.push(found)
  }

  /**
   * Counts a line's unknown keys and words. New versions of DRBD add keys, so an unknown key is tolerated and counted once. If its
   * value is a state word, the key may decide the state, and is returned as a doubt.
   */
  addOdd({ resource, object, oddKeys }: Events2Change): readonly DrbdDoubt[] {
    if (oddKeys === undefined) return NO_DOUBTS
    const doubts: DrbdDoubt[] = []
    for (const { key, word, place } of oddKeys) {
      if (place === 'word') this.add(resource, 'unknown-word', 'Unknown word', `${key}:${word}`)
      else if (place === 'state-key') {
        this.add(resource, 'unknown-key', 'Unknown key with a state word', `${object} ${key}:${word}`)
        if (doubts.length < MAX_DOUBTS)
          doubts.push({ code: 'unknown-word', field: detachedWord(key), word: detachedWord(word) })
      } else if (!this.#oddKeys.has(key) && this.#oddKeys.size < MAX_ODD_KEYS) {
        this.#oddKeys.add(detachedWord(key))
        this.add(resource, 'unknown-key', 'Unknown key', `${object} ${key}:${word}`)
      }
    }
    return doubts
  }
}
