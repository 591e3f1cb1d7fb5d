const PLAIN = /^[\w@%+=:,./-]+$/
/** Terminals obey control characters, C1 among them; direction marks would make a command look like another one. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

/** A word as bash reads it back, and safe to show on a terminal: quoted only where it must be. */
export function shellWord(word: string): string {
  if (PLAIN.test(word)) return word
  if (!UNPRINTABLE.test(word)) return `'${word.replaceAll("'", `'\\''`)}'`
  const escaped = Array.from(word, character => {
    if (character === "'" || character === '\\') return `\\${character}`
    if (!UNPRINTABLE.test(character)) return character
    return Array.from(Buffer.from(character), byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
  })
  return `$'${escaped.join('')}'`
}
