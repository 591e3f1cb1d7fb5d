import type { DrbdDoubt } from '../../sync-query/judge/drbd.ts'
import type { Problem, ProblemCode } from '../../sync-query/judge/problem.ts'
import { keptWord } from '../drbd-words.ts'
import { problem } from '../problem.ts'
import type { Events2Change } from './events2-line.ts'

const MAX_KEPT = 100
const MAX_ODD_KEYS = 256
/** More of what was read is in no text. */
const MAX_READ = 512

/** So many unknown state-carrying keys of one line are named; one is enough to doubt it. */
const MAX_DOUBTS = 4

const NO_DOUBTS: readonly DrbdDoubt[] = []

/** Of each code so many problems are handed over at once. */
const MAX_FRESH = 4

/** What was not understood since the last time: some problems of each code, and how many there were of each. */
export interface FreshProblems {
  readonly problems: readonly Problem[]
  readonly counts: ReadonlyMap<ProblemCode, number>
}

/** What was not understood of an endless stream: every case is counted by its code, the first hundred are kept. */
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

  /** What was added since the last call. */
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
    const found = problem(device, code, sentence, Buffer.from(read.slice(0, MAX_READ)).toString())
    if (isKept) this.#kept.push(found)
    if (fresh < MAX_FRESH) this.#fresh.push(found)
  }

  /**
   * Counts a line's unknown keys and words. New versions of DRBD add keys, so one is tolerated (and counted once), unless
   * it says a word of state: that key may be the one that decides, and is returned as a doubt.
   */
  addOdd({ resource, object, oddKeys }: Events2Change): readonly DrbdDoubt[] {
    if (oddKeys === undefined) return NO_DOUBTS
    const doubts: DrbdDoubt[] = []
    for (const { key, word, place } of oddKeys) {
      if (place === 'word') this.add(resource, 'unknown-word', 'Unknown word', `${key}:${word}`)
      else if (place === 'state-key') {
        this.add(resource, 'unknown-key', 'Unknown key with a word of state', `${object} ${key}:${word}`)
        if (doubts.length < MAX_DOUBTS)
          doubts.push({ code: 'unknown-word', field: keptWord(key), word: keptWord(word) })
      } else if (!this.#oddKeys.has(key) && this.#oddKeys.size < MAX_ODD_KEYS) {
        this.#oddKeys.add(keptWord(key))
        this.add(resource, 'unknown-key', 'Unknown key', `${object} ${key}:${word}`)
      }
    }
    return doubts
  }
}
