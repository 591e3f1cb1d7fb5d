interface Entry<Value> {
  readonly word: string
  readonly value: Value
  readonly next: Entry<Value> | undefined
}

/** A power of two; large enough that about sixty words rarely share a slot. */
const SLOTS = 512

/**
 * Finds a known word in a text without allocating a substring: in a flood of events each line has a dozen words, and most of them
 * only have to be recognised.
 */
export class WordTable<Value> {
  readonly #slots: (Entry<Value> | undefined)[]

  constructor(words: Iterable<readonly [string, Value]>) {
    this.#slots = new Array(SLOTS).fill(undefined)
    for (const [word, value] of words) {
      const slot = slotOf(word, 0, word.length)
      this.#slots[slot] = { word, value, next: this.#slots[slot] }
    }
  }

  /** The value of the word `text[start, end)`; `undefined` if the table does not have it. */
  find(text: string, start: number, end: number): Value | undefined {
    let entry = this.#slots[slotOf(text, start, end)]
    while (entry !== undefined && (entry.word.length !== end - start || !text.startsWith(entry.word, start)))
      entry = entry.next
    return entry?.value
  }
}

function slotOf(text: string, start: number, end: number): number {
  if (start >= end) return 0
  return ((end - start) * 37 + text.charCodeAt(start) * 11 + text.charCodeAt(end - 1)) & (SLOTS - 1)
}
