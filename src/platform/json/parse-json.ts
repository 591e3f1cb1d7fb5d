/**
 * The result of parsing JSON with bounds. `JSON.parse` accepts any nesting, but functions that walk the value afterwards (`JSON.stringify`,
 * `isDeepStrictEqual`) recurse: 10 KB of brackets overflow their stack and end the daemon.
 *
 * ```ts
 * const parsed = parseJson(body, MAX_BODY_LENGTH)
 * if ('problem' in parsed) return refuse(parsed.problem)
 * use(parsed.value)
 * ```
 */
export type ParsedJson = { readonly value: unknown } | { readonly problem: JsonProblem }

type JsonProblem = 'too-large' | 'too-deep' | 'not-json'

/** What is wrong with the text, as the end of a sentence: `the answer is ${words}`. */
export const JSON_PROBLEM_WORDS: Readonly<Record<JsonProblem, string>> = {
  'too-large': 'too large',
  'too-deep': 'nested too deep',
  'not-json': 'not JSON',
}

/** Values of this program and of toolstacks are nested at most ten deep. */
const MAX_DEPTH = 64

/** Parses a text. Never throws. @param maxLength in UTF-16 units */
export function parseJson(text: string, maxLength: number): ParsedJson {
  if (text.length > maxLength) return { problem: 'too-large' }
  if (isTooDeep(text)) return { problem: 'too-deep' }
  try {
    return { value: JSON.parse(text) }
  } catch {
    return { problem: 'not-json' }
  }
}

const QUOTE = '"'.charCodeAt(0)
const BACKSLASH = '\\'.charCodeAt(0)
const OPENING = new Set(['[', '{'].map(each => each.charCodeAt(0)))
const CLOSING = new Set([']', '}'].map(each => each.charCodeAt(0)))

function isTooDeep(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (OPENING.has(code)) {
      depth += 1
      if (depth > MAX_DEPTH) return true
    } else if (CLOSING.has(code)) depth -= 1
  }
  return false
}

/** Index of the quote that closes the string which opens at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes += 1
    if (backslashes % 2 === 0) return end
  }
  return text.length
}

/** Whether a parsed JSON value is an object: not `null`, not a list. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
