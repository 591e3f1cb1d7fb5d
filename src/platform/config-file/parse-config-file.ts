import { LineCounter, parseDocument, type YAMLError } from 'yaml'
import type { ZodType, z } from 'zod'
import { messageOf } from '../errors.ts'
import type { ConfigProblem } from './config-problem.ts'
import { issueText, schemaProblems } from './schema-problems.ts'
import { keyOf, YamlPlaces } from './yaml-places.ts'

export type ParsedConfigFile<Config> =
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
    const oddities = [...places.oddities()]
    if (oddities.length > 0) return wrong(oddities.map(({ path, line, text }) => ({ line, key: keyOf(path), text })))
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
