import type { Problem } from '../sync-query/judgement.ts'

const MAX_TEXT = 200
const MAX_EXCERPT = 120

/** A problem whose sentence ends with an excerpt of what was read. */
export function problem(device: string | null, code: string, sentence: string, read: string): Problem {
  const excerpt = read.length > MAX_EXCERPT ? `${read.slice(0, MAX_EXCERPT)}…` : read
  return { device, code, text: `${sentence}: ${excerpt}`.slice(0, MAX_TEXT) }
}
