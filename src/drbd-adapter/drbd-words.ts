import { CONNECTION_WORDS, DISK_WORDS, REPLICATION_WORDS } from '../sync-query/judge/drbd.ts'
import { WordTable } from './word-table.ts'

/** drbdsetup prints sizes in kilobytes of 1024 and `rs-total` in sectors of 512 (print_*_statistics in drbdsetup.c). */
const BYTES_PER_KIB = 1024
const BYTES_PER_SECTOR = 512

/** drbdsetup's "no estimate" in JSON (drbd-utils 10429303); an ETA of 31 years is none either. */
const NO_ESTIMATE_SECONDS = 987_654_321

const ZERO = 48

const STATE_WORDS = new WordTable(
  [CONNECTION_WORDS, REPLICATION_WORDS, DISK_WORDS]
    .flatMap(table => Object.keys(table))
    .map((word): [string, string] => [word, word]),
)

/** True for a word of any state table: under a key that is not known it may carry state that decides. */
export function isStateWord(word: string): boolean {
  return findStateWord(word, 0, word.length) !== undefined
}

/** One long-lived copy of `text[start, end)` if that is a word of any state table of DRBD. */
export function findStateWord(text: string, start: number, end: number): string | undefined {
  return STATE_WORDS.find(text, start, end)
}

/** Shorter strings are copied by V8 when they are cut out; longer ones keep the string alive they were cut from. */
const SLICED_FROM_LENGTH = 13

/** A copy of `word` that does not keep the chunk of input alive which it was cut from. */
export function detachedWord(word: string): string {
  return word.length < SLICED_FROM_LENGTH ? word : Buffer.from(word).toString()
}

/** A count of DRBD; `null` for nan, inf, wrapped u64 (18446744073709551608) and whatever else is no count. */
export function count(said: unknown): number | null {
  if (typeof said === 'string') return countAt(said, 0, said.length)
  return typeof said === 'number' && Number.isSafeInteger(said) && said >= 0 ? said : null
}

/** The count that is `text[start, end)`, as `count` understands it. */
export function countAt(text: string, start: number, end: number): number | null {
  let value = 0
  for (let index = start; index < end; index += 1) {
    const digit = text.charCodeAt(index) - ZERO
    if (!(digit >= 0 && digit <= 9)) return null
    value = value * 10 + digit
  }
  return start < end && Number.isSafeInteger(value) ? value : null
}

/** KiB as bytes. */
export function scaleKib(kib: number | null): number | null {
  return kib === null ? null : count(kib * BYTES_PER_KIB)
}

/** The sum of those that are known; `null` if neither is. */
export function sumOfKnown(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : a + b
}

/** Sectors as bytes. */
export function scaleSectors(sectors: number | null): number | null {
  return sectors === null ? null : count(sectors * BYTES_PER_SECTOR)
}

/** An ETA; `null` for drbdsetup's ways to say that there is none. */
export function estimateSeconds(said: unknown): number | null {
  const seconds = count(said)
  return seconds === null || seconds >= NO_ESTIMATE_SECONDS ? null : seconds
}

/** Percent as 0..1; `null` for nan and for what lies outside. */
export function percentToFraction(said: unknown): number | null {
  const percent = typeof said === 'string' && said !== '' ? Number(said) : said
  return typeof percent === 'number' && percent >= 0 && percent <= 100 ? percent / 100 : null
}

const NO_PARTS: readonly string[] = []

/** `no` or the comma-separated list after `resync-suspended:`, as its parts. */
export function suspendedParts(said: string): readonly string[] {
  return said === 'no' ? NO_PARTS : said.split(',')
}

/** `yes` and `no`; any other word is "not said". */
export function yesNo(said: string): boolean | null {
  return said === 'yes' ? true : said === 'no' ? false : null
}

/** What a resync had to go through, from what is left and the share that is done; too coarse to use near the end. */
export function totalFromDone(outOfSyncBytes: number | null, done: number | null): number | null {
  if (outOfSyncBytes === null || done === null || done >= 1) return null
  return Math.round(outOfSyncBytes / (1 - done))
}
