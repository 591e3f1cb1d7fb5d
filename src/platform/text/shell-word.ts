import { isPrintable, replaceUnprintable } from './printable.ts'

const PLAIN = /^[\w@%+=:,./-]+$/

/** A word as bash reads it back, safe to show on a terminal: quoted only where it must be. */
export function shellWord(word: string): string {
  if (PLAIN.test(word)) return word
  if (isPrintable(word)) return `'${word.replaceAll("'", `'\\''`)}'`
  return `$'${replaceUnprintable(word.replaceAll(/['\\]/g, '\\$&'), escapeBytes)}'`
}

function escapeBytes(character: string): string {
  return Array.from(Buffer.from(character), byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}
