import { replaceUnprintable } from '../../platform/text/printable.ts'

/** East Asian wide and full-width characters, and pictographs, take two columns. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u
/** The fast path, because most texts are ASCII and `watch` draws every second. */
const PLAIN = /^[ -~]*$/
const COMBINING = /^\p{M}+$/u
const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' })

/**
 * Makes text from outside safe to print: control characters, line breaks and changes of the text direction become escapes.
 */
export function escaped(text: string): string {
  return replaceUnprintable(text, character => {
    const code = character.codePointAt(0) ?? 0
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}

/** The width in columns of a text without escape sequences. */
export function columnsOf(text: string): number {
  if (PLAIN.test(text)) return text.length
  let columns = 0
  for (const { segment } of GRAPHEMES.segment(text)) columns += columnsOfGrapheme(segment)
  return columns
}

/** Shortens a text to a number of columns. The middle is cut, because names differ at both ends. */
export function cutMiddle(text: string, maxColumns: number): string {
  if (columnsOf(text) <= maxColumns) return text
  if (maxColumns <= 1) return '…'.slice(0, maxColumns)
  const graphemes = Array.from(GRAPHEMES.segment(text), ({ segment }) => segment)
  const tailColumns = Math.floor((maxColumns - 1) / 2)
  const head = takeColumns(graphemes, maxColumns - 1 - tailColumns)
  const tail = takeColumns(graphemes.toReversed(), tailColumns).toReversed()
  return `${head.join('')}…${tail.join('')}`
}

/** Shortens a text to a number of columns. The end is cut. */
export function cutEnd(text: string, maxColumns: number): string {
  if (columnsOf(text) <= maxColumns) return text
  const graphemes = Array.from(GRAPHEMES.segment(text), ({ segment }) => segment)
  return `${takeColumns(graphemes, maxColumns - 1).join('')}…`
}

/** Fills a text up with spaces. */
export function padded(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - columnsOf(text)))
}

/**
 * Folds a sentence into lines between words. A word that is longer than a line stays whole, so that it can be copied.
 * @param indent columns before the first line; the following lines are indented by two more
 */
export function folded(sentence: string, indent: number, maxColumns: number): string[] {
  const lines: string[] = []
  let line = ' '.repeat(indent)
  let isEmpty = true
  for (const word of sentence.split(' ')) {
    if (!isEmpty && columnsOf(line) + 1 + columnsOf(word) > maxColumns) {
      lines.push(line)
      line = ' '.repeat(indent + 2)
      isEmpty = true
    }
    line += isEmpty ? word : ` ${word}`
    isEmpty = false
  }
  return [...lines, line]
}

function takeColumns(graphemes: readonly string[], columns: number): string[] {
  const taken: string[] = []
  let used = 0
  for (const grapheme of graphemes) {
    used += columnsOfGrapheme(grapheme)
    if (used > columns) break
    taken.push(grapheme)
  }
  return taken
}

function columnsOfGrapheme(grapheme: string): number {
  if (COMBINING.test(grapheme)) return 0
  return WIDE.test(grapheme) ? 2 : 1
}
