import type { z } from 'zod'
import { parseJson } from './parse-json.ts'

/** Reads a small text that this program, or another version of it, has stored as JSON. `null`: it cannot be read. */
export function parseStored<Schema extends z.ZodType>(
  text: string,
  maxLength: number,
  schema: Schema,
): z.output<Schema> | null {
  const parsed = parseJson(text, maxLength)
  const stored = 'value' in parsed ? schema.safeParse(parsed.value) : null
  return stored?.success === true ? stored.data : null
}
