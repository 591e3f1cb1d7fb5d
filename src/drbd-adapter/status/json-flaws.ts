/** A flaw that JSON.parse accepts and that makes a document unreliable. */
export interface JsonFlaw {
  readonly code: 'too-deep' | 'contradiction'
  /** Index of the affected element in the outermost list. */
  readonly index: number
  readonly line: number
  /** `[0].devices[1].volume` */
  readonly path: string
}

/** Maximum nesting. drbdsetup nests six deep; a deeper document is no status, and recursion over it could overflow the stack. */
const MAX_DEPTH = 32

const MAX_PATH = 80

interface Frame {
  /** The keys so far; `null` for a list. */
  readonly keys: Set<string> | null
  key: string
  index: number
  expectsKey: boolean
}

/**
 * Finds the first flaw in each element of the outermost list: nesting that is too deep, or a duplicate key, for which JSON.parse silently
 * takes the last value. Keys that differ only in `-` and `_` are equal. Reads `json` once, without recursion.
 *
 * @param json a text that JSON.parse accepts
 */
export function jsonFlaws(json: string): JsonFlaw[] {
  const flaws = new Map<number, JsonFlaw>()
  const frames: Frame[] = []
  let depth = 0
  let line = 1
  const note = (code: JsonFlaw['code']) => {
    const index = frames[0]?.keys === null ? frames[0].index : 0
    if (!flaws.has(index)) flaws.set(index, { code, index, line, path: pathOf(frames) })
  }
  for (let at = 0; at < json.length; at += 1) {
    const frame = depth > MAX_DEPTH ? undefined : frames.at(-1)
    switch (json[at]) {
      case '\n':
        line += 1
        break
      case '{':
      case '[':
        depth += 1
        if (depth <= MAX_DEPTH)
          frames.push({ keys: json[at] === '{' ? new Set() : null, key: '', index: 0, expectsKey: json[at] === '{' })
        else note('too-deep')
        break
      case '}':
      case ']':
        if (depth <= MAX_DEPTH) frames.pop()
        depth -= 1
        break
      case ',':
        if (frame === undefined) break
        frame.index += 1
        frame.expectsKey = frame.keys !== null
        break
      case '"': {
        const end = stringEnd(json, at)
        if (frame?.expectsKey === true) {
          frame.expectsKey = false
          frame.key = keyOf(json.slice(at, end))
          if (frame.keys?.has(frame.key) === true) note('contradiction')
          frame.keys?.add(frame.key)
        }
        at = end - 1
      }
    }
  }
  return [...flaws.values()]
}

/** The index after the closing quote of the string that begins at `start`. */
function stringEnd(json: string, start: number): number {
  let quote = json.indexOf('"', start + 1)
  while (quote !== -1 && isEscaped(json, quote)) quote = json.indexOf('"', quote + 1)
  return quote === -1 ? json.length : quote + 1
}

function isEscaped(json: string, at: number): boolean {
  let first = at
  while (json[first - 1] === '\\') first -= 1
  return (at - first) % 2 === 1
}

function keyOf(quoted: string): string {
  const key = quoted.includes('\\') ? String(JSON.parse(quoted)) : quoted.slice(1, -1)
  return key.replaceAll('_', '-')
}

function pathOf(frames: readonly Frame[]): string {
  const path = frames
    .map(({ keys, key, index }) => (keys === null ? `[${index}]` : `.${key.slice(0, MAX_PATH)}`))
    .join('')
  return path.length > MAX_PATH ? `${path.slice(0, MAX_PATH)}…` : path
}
