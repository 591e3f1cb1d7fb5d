import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type LineCounter } from 'yaml'

export type KeyPath = readonly PropertyKey[]

const MAX_KEY_LENGTH = 120
/** No key of a configuration is deeper. Without a limit, nested brackets would take quadratic time. */
const MAX_DEPTH = 50

interface Entry {
  readonly path: KeyPath
  /** `null` in a list. */
  readonly key: unknown
  readonly value: unknown
}

/** The places of keys and values in a YAML text. */
export class YamlPlaces {
  readonly #document: Document
  readonly #lines: LineCounter

  constructor(document: Document, lines: LineCounter) {
    this.#document = document
    this.#lines = lines
  }

  /** From 1. */
  lineAt(offset: number): number {
    return Math.max(1, this.#lines.linePos(offset).line)
  }

  /** The line of a key, or of the nearest enclosing key that exists. */
  lineOf(path: KeyPath): number {
    let node: unknown = this.#document.contents
    let offset = 0
    for (const part of path) {
      const [at, value] = stepInto(node, part)
      if (at === null) break
      offset = at
      node = value
    }
    return this.lineAt(offset)
  }

  /** The innermost key around an offset; `[]`: none. */
  pathAt(offset: number): KeyPath {
    let innermost: KeyPath = []
    for (const { path, key, value } of entriesOf(this.#document.contents)) {
      const start = startOf(key) ?? startOf(value)
      const end = Math.max(endOf(key), endOf(value))
      if (start !== null && start <= offset && offset <= end) innermost = path
    }
    return innermost
  }

  /** Parts that are valid YAML but have no value here, with their places. */
  *invalidParts(): Generator<{ readonly path: KeyPath; readonly line: number; readonly text: string }> {
    for (const { path, key, value } of entriesOf(this.#document.contents)) {
      if (key !== null && !(isScalar(key) && key.value !== null)) {
        const line = this.lineAt(startOf(key) ?? startOf(value) ?? 0)
        yield { path: path.slice(0, -1), line, text: 'a key must be one word, or text in quotes' }
      }
      if (isAlias(value) && value.resolve(this.#document) === undefined) {
        yield { path, line: this.lineAt(startOf(value) ?? 0), text: `there is no &${value.source} above` }
      }
    }
  }
}

/** `srs[0].drbd`, cut to the length of a line. */
export function keyOf(path: KeyPath): string {
  const whole = path.reduce<string>((key, part) => {
    if (typeof part === 'number') return `${key}[${part}]`
    return key === '' ? String(part) : `${key}.${String(part)}`
  }, '')
  const [line = ''] = whole.split(/[\r\n]/, 1)
  return line.length === whole.length && line.length <= MAX_KEY_LENGTH ? line : `${line.slice(0, MAX_KEY_LENGTH)}…`
}

function stepInto(node: unknown, part: PropertyKey): readonly [offset: number | null, value: unknown] {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => keyText(key) === String(part))
    return [startOf(pair?.key), pair?.value]
  }
  const item = isSeq(node) && typeof part === 'number' ? node.items[part] : undefined
  return [startOf(item), item]
}

/** Every key and list item, outer ones before inner ones, without the values of aliases. */
function* entriesOf(node: unknown, path: KeyPath = []): Generator<Entry> {
  if (path.length >= MAX_DEPTH) return
  if (isMap(node)) {
    for (const { key, value } of node.items) {
      const at = [...path, keyText(key)]
      yield { path: at, key, value }
      yield* entriesOf(value, at)
    }
  } else if (isSeq(node)) {
    for (const [index, value] of node.items.entries()) {
      const at = [...path, index]
      yield { path: at, key: null, value }
      yield* entriesOf(value, at)
    }
  }
}

/** The key in the resulting value: `5: x` becomes `{ "5": "x" }`. */
function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value ?? '') : ''
}

function startOf(node: unknown): number | null {
  return isNode(node) && node.range ? node.range[0] : null
}

function endOf(node: unknown): number {
  if (!isNode(node) || !node.range) return -1
  // Later lines are not part of a scalar value.
  return isMap(node) || isSeq(node) ? node.range[2] : node.range[1]
}
