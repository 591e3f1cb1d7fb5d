import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import type { ZodType, z } from 'zod'
import { messageOf } from '../thrown/index.ts'
import type { ConfigProblem } from './config-problem.ts'

export type ParsedConfig<Config> =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

/** Beyond this a file is no configuration of this program. */
export const MAX_CONFIG_BYTES = 1_048_576
/** One error often causes others; a terminal holds about so many. */
const MAX_PROBLEMS = 20
/** An alias can stand for a copy of a copy of a copy: text of a few lines that fills the memory. */
const MAX_ALIASES = 100

/**
 * Reads configuration text against its schema. Every problem names the file, the line and the key. Pure.
 *
 * @param text YAML 1.2 (so JSON too); nothing but comments is an empty configuration
 * @param file its name, for the problems
 */
export function parseConfigFile<Schema extends ZodType>(
  text: string,
  file: string,
  schema: Schema,
): ParsedConfig<z.output<Schema>> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line)
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ pos, message }) => ({ file, line: lineAt(pos[0]), key: '', text: message }))
    return { ok: false, problems: problems.slice(0, MAX_PROBLEMS) }
  }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES })
  } catch (error) {
    return {
      ok: false,
      problems: [{ file, line: 1, key: '', text: messageOf(error) }],
    }
  }
  const result = schema.safeParse(value ?? {})
  if (result.success) return { ok: true, config: result.data }
  const problems = result.error.issues.flatMap(issue => {
    // One problem for each key that nobody knows, at its own line.
    const paths = issue.code === 'unrecognized_keys' ? issue.keys.map(key => [...issue.path, key]) : [issue.path]
    return paths.map(path => ({
      file,
      line: lineAt(offsetOf(document, path)),
      key: keyOf(path),
      text: issue.code === 'unrecognized_keys' ? 'there is no such key' : issue.message,
    }))
  })
  return { ok: false, problems: problems.slice(0, MAX_PROBLEMS) }
}

/** Where the key stands, or the nearest thing around it that is there. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    const last = path[length - 1]
    if (isMap(parent)) {
      const key = parent.items.find(pair => isScalar(pair.key) && pair.key.value === last)?.key
      if (isScalar(key) && key.range) return key.range[0]
    }
    const node = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}

function keyOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((key, part) => {
    if (typeof part === 'number') return `${key}[${part}]`
    return key === '' ? String(part) : `${key}.${String(part)}`
  }, '')
}
