import type { z } from 'zod'
import type { KeyPath } from './yaml-places.ts'

type Issue = z.core.$ZodIssue

/** What a value does not fulfil of its schema, one problem for each key. */
export function schemaProblems(issues: readonly Issue[]): readonly { readonly path: KeyPath; readonly text: string }[] {
  return issues.flatMap(specific).flatMap(issue => {
    if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, text: issue.message }]
    return issue.keys.map(key => ({ path: [...issue.path, key], text: 'there is no such key' }))
  })
}

/** For a value that may have one of several forms: the issues of the form that it comes nearest to. */
function specific(issue: Issue): readonly Issue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const branches = issue.errors.map(branch => branch.flatMap(specific))
  const depth = (branch: readonly Issue[] | undefined) => Math.max(-1, ...(branch ?? []).map(({ path }) => path.length))
  const [nearest] = branches.toReversed().toSorted((one, other) => depth(other) - depth(one))
  if (nearest === undefined || nearest.length === 0) return [issue]
  return nearest.map(each => ({ ...each, path: [...issue.path, ...each.path] }))
}

/** The text of an issue for which the schema has none of its own; `undefined`: zod's text. */
export function issueText(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is required'
      return `must be ${TYPE_NAMES.get(issue.expected) ?? issue.expected}, not ${typeName(issue.input)}`
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)
    case 'invalid_union':
      return 'has none of the allowed forms'
    default:
      return undefined
  }
}

const TYPE_NAMES: ReadonlyMap<string, string> = new Map([
  ['string', 'text'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['tuple', 'a list'],
  ['object', 'a map'],
])

function typeName(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'number' && !Number.isInteger(value)) return String(value)
  return TYPE_NAMES.get(typeof value) ?? typeof value
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === 'string') {
    return relation === 'at least' && limit === 1 ? 'must not be empty' : `must have ${relation} ${limit} characters`
  }
  if (origin === 'array') return `must have ${relation} ${limit} ${limit === 1 ? 'entry' : 'entries'}`
  return `must be ${relation} ${limit}`
}
