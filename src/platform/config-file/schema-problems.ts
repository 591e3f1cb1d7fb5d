import type { z } from 'zod'
import type { KeyPath } from './yaml-places.ts'

type Issue = z.core.$ZodIssue

/** What a schema does not like, one problem for each key. */
export function schemaProblems(issues: readonly Issue[]): readonly { readonly path: KeyPath; readonly text: string }[] {
  return issues.flatMap(specific).flatMap(issue => {
    if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, text: issue.message }]
    return issue.keys.map(key => ({ path: [...issue.path, key], text: 'there is no such key' }))
  })
}

/** Of a value that may be one thing or another: what keeps it from being the one that it is nearest to. */
function specific(issue: Issue): readonly Issue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const branches = issue.errors.map(branch => branch.flatMap(specific))
  const depth = (branch: readonly Issue[] | undefined) => Math.max(-1, ...(branch ?? []).map(({ path }) => path.length))
  const [nearest] = branches.toReversed().toSorted((one, other) => depth(other) - depth(one))
  if (nearest === undefined || nearest.length === 0) return [issue]
  return nearest.map(each => ({ ...each, path: [...issue.path, ...each.path] }))
}
