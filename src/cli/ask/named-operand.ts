import type { Named } from '../../agent-api/agent-protocol.ts'
import { findCalled } from '../../allowed-operations/pool/find-called.ts'

export type Found<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string }

/**
 * The one that an operand means, as `findCalled` says.
 * @param what how to call them in the sentence that says why not
 */
export function findNamed<T extends Named>(operand: string, among: readonly T[], what: string): Found<T> {
  const found = findCalled(operand, among, ({ uuid, name }) => ({ uuid, names: [name] }))
  if (found.ok) return found
  const { candidates } = found
  if (candidates.length === 0) return { ok: false, why: `there is no ${what} '${operand}' here` }
  return { ok: false, why: `'${operand}' could be ${candidates.join(' or ')}` }
}
