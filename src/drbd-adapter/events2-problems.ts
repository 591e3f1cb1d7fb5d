import type { DrbdDoubt } from '../sync-query/drbd.ts'
import type { Problem } from '../sync-query/judgement.ts'
import { keptWord } from './drbd-words.ts'
import type { Events2Change } from './events2-line.ts'
import { problem } from './problem.ts'

const MAX_KEPT = 100
const MAX_ODD_KEYS = 256

/** So many unknown state-carrying keys of one line are named; one is enough to doubt it. */
const MAX_DOUBTS = 4

const NO_DOUBTS: readonly DrbdDoubt[] = []

/** What was not understood of an endless stream: every case is counted by its code, the first hundred are kept. */
export class Events2Problems {
  readonly #kept: Problem[] = []
  readonly #counts = new Map<string, number>()
  readonly #oddKeys = new Set<string>()

  get kept(): readonly Problem[] {
    return this.#kept
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts
  }

  add(device: string | null, code: string, sentence: string, read: string): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1)
    if (this.#kept.length < MAX_KEPT) this.#kept.push(problem(device, code, sentence, Buffer.from(read).toString()))
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
