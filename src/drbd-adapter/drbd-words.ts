import { CONNECTION_WORDS, DISK_WORDS, REPLICATION_WORDS } from '../sync-query/judge/drbd.ts'

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

/** drbdsetup prints sizes in KiB and `rs-total` in sectors of 512 bytes (print_*_statistics in drbdsetup.c). */
const BYTES_PER_KIB = 1024
const BYTES_PER_SECTOR = 512

/** drbdsetup's value for "no estimate" in JSON (drbd-utils 10429303). Greater values (31 years) are no estimate either. */
const NO_ESTIMATE_SECONDS = 987_654_321

const ZERO = 48

const STATE_WORDS = new WordTable(
  [CONNECTION_WORDS, REPLICATION_WORDS, DISK_WORDS]
    .flatMap(table => Object.keys(table))
    .map((word): [string, string] => [word, word]),
)

/** True for a word of any state table of DRBD. Under an unknown key such a word may decide the state. */
export function isStateWord(word: string): boolean {
  return findStateWord(word, 0, word.length) !== undefined
}

/** The table's own copy of `text[start, end)` if that is a word of any state table of DRBD. */
export function findStateWord(text: string, start: number, end: number): string | undefined {
  return STATE_WORDS.find(text, start, end)
}

/** V8 copies shorter slices. A longer slice keeps its whole source string alive. */
const SLICED_FROM_LENGTH = 13

/** A copy of `word` that does not keep its source, a chunk of input, alive. */
export function detachedWord(word: string): string {
  return word.length < SLICED_FROM_LENGTH ? word : Buffer.from(word).toString()
}

/** Parses a count of DRBD. `null` for nan, inf, wrapped u64 (18446744073709551608) and everything else that is no count. */
export function count(value: unknown): number | null {
  if (typeof value === 'string') return countAt(value, 0, value.length)
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}

/** Parses the count `text[start, end)` as `count` does. */
export function countAt(text: string, start: number, end: number): number | null {
  let value = 0
  for (let index = start; index < end; index += 1) {
    const digit = text.charCodeAt(index) - ZERO
    if (!(digit >= 0 && digit <= 9)) return null
    value = value * 10 + digit
  }
  return start < end && Number.isSafeInteger(value) ? value : null
}

/** Converts KiB to bytes. */
export function scaleKib(kib: number | null): number | null {
  return kib === null ? null : count(kib * BYTES_PER_KIB)
}

/** The sum of the known values; `null` if neither is known. */
export function sumOfKnown(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : a + b
}

/** Converts sectors to bytes. */
export function scaleSectors(sectors: number | null): number | null {
  return sectors === null ? null : count(sectors * BYTES_PER_SECTOR)
}

/** Parses an ETA in seconds. `null` for drbdsetup's values for "no estimate". */
export function estimateSeconds(value: unknown): number | null {
  const seconds = count(value)
  return seconds === null || seconds >= NO_ESTIMATE_SECONDS ? null : seconds
}

/** Converts percent to 0..1. `null` for nan and for values outside 0..100. */
export function percentToFraction(value: unknown): number | null {
  const percent = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof percent === 'number' && percent >= 0 && percent <= 100 ? percent / 100 : null
}

const NO_PARTS: readonly string[] = []

/** Splits the comma-separated list after `resync-suspended:` into its parts; `no` has none. */
export function suspendedParts(list: string): readonly string[] {
  return list === 'no' ? NO_PARTS : list.split(',')
}

/** Parses `yes` and `no`; `null` for any other word. */
export function yesNo(word: string): boolean | null {
  return word === 'yes' ? true : word === 'no' ? false : null
}

/** The total amount of a resync, from the remaining amount and the completed fraction. Too inaccurate near the end. */
export function totalFromDone(outOfSyncBytes: number | null, done: number | null): number | null {
  if (outOfSyncBytes === null || done === null || done >= 1) return null
  return Math.round(outOfSyncBytes / (1 - done))
}
