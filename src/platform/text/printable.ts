/**
 * Terminals obey control characters, C1 among them; direction marks and line separators make a text look like another one; lone
 * surrogates and noncharacters are no Unicode text, and XML cannot hold them.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{NChar}]/gu

export function isPrintable(text: string): boolean {
  return text.search(UNPRINTABLE) === -1
}

/** The text with each unprintable character replaced. */
export function replaceUnprintable(text: string, replacement: (character: string) => string): string {
  return text.replaceAll(UNPRINTABLE, replacement)
}

/** The text on one line, with a space for each unprintable character. */
export function printable(text: string): string {
  return replaceUnprintable(text, () => ' ')
}
