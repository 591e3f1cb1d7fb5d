import type { Named } from '../../agent-api/answers.ts'
import { findByName } from '../../allowed-operations/pool/find-by-name.ts'

export type Found<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string }

/**
 * The one that an operand means, as `findByName` says.
 * @param what how to call them in the sentence that says why not
 */
export function findNamed<T extends Named>(operand: string, among: readonly T[], what: string): Found<T> {
  const found = findByName(operand, among, ({ uuid, name }) => ({ uuid, names: [name] }))
  if (found.ok) return found
  const { candidates } = found
  if (candidates.length === 0) return { ok: false, why: `there is no ${what} '${operand}' here` }
  return { ok: false, why: `'${operand}' could be ${candidates.join(' or ')}` }
}
