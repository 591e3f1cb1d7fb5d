import { LineCounter, parseDocument, type YAMLError } from 'yaml'
import type { ZodType, z } from 'zod'
import { messageOf } from '../errors.ts'
import { issueText, schemaProblems } from './schema-problems.ts'
import { keyOf, YamlPlaces } from './yaml-places.ts'

/** A problem of a configuration file, with its place. */
export interface ConfigProblem {
  readonly file: string
  /** From 1; 1 for the whole file. */
  readonly line: number
  /** The key, such as `srs[0].drbd`; `''`: the whole file. */
  readonly key: string
  readonly text: string
}

/** `FILE:LINE: KEY: TEXT`, the format of compilers, so that editors can jump to the line. */
export function describeConfigProblem({ file, line, key, text }: ConfigProblem): string {
  return `${file}:${line}: ${key === '' ? '' : `${key}: `}${text}`
}

export type ParsedConfigFile<Config> =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

/** A larger file is no configuration of this program. */
export const MAX_CONFIG_BYTES = 1_048_576
/** One error often causes others. A terminal shows about this many lines. */
const MAX_PROBLEMS = 20
/** Aliases of aliases can make a text of a few lines fill the memory. */
const MAX_ALIASES = 100

/**
 * Parses a configuration text against its schema. Every problem names the file, the line and the key. Pure.
 *
 * @param text YAML 1.2, which includes JSON. A text without content is an empty configuration.
 * @param file the name of the file in problems
 */
export function parseConfigFile<Schema extends ZodType>(
  text: string,
  file: string,
  schema: Schema,
): ParsedConfigFile<z.output<Schema>> {
  const wrong = (problems: readonly Omit<ConfigProblem, 'file'>[]) => ({
    ok: false as const,
    problems: problems.slice(0, MAX_PROBLEMS).map(problem => ({ file, ...problem })),
  })
  try {
    const lines = new LineCounter()
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: true,
      logLevel: 'error',
    })
    const places = new YamlPlaces(document, lines)
    if (document.errors.length > 0) {
      return wrong(
        document.errors.map(error => {
          const [offset] = error.pos
          return { line: places.lineAt(offset), key: keyOf(places.pathAt(offset)), text: textOf(error) }
        }),
      )
    }
    const invalidParts = [...places.invalidParts()]
    if (invalidParts.length > 0)
      return wrong(invalidParts.map(({ path, line, text }) => ({ line, key: keyOf(path), text })))
    const result = schema.safeParse(document.toJS({ maxAliasCount: MAX_ALIASES }) ?? {}, { error: issueText })
    if (result.success) return { ok: true, config: result.data }
    return wrong(
      schemaProblems(result.error.issues).map(({ path, text }) => ({
        line: places.lineOf(path),
        key: keyOf(path),
        text,
      })),
    )
  } catch (error) {
    return wrong([{ line: 1, key: '', text: whyUnreadable(error) }])
  }
}

function textOf({ code, message }: YAMLError): string {
  switch (code) {
    case 'MULTIPLE_DOCS':
      return 'a second document begins here (---); the file may have only one'
    case 'DUPLICATE_KEY':
      return 'the key exists already: keys must be unique'
    default:
      return message
  }
}

function whyUnreadable(error: unknown): string {
  // The stack does not hold brackets that are nested ten thousand times.
  if (error instanceof RangeError) return 'the text is nested too deep'
  // Thrown by the yaml library above `maxAliasCount`.
  if (error instanceof ReferenceError) return `more than ${MAX_ALIASES} copies by aliases (*)`
  return messageOf(error)
}
