import type { Named } from '../../volume-plugin/agent-protocol.ts'

const UUID_PREFIX = /^[0-9a-f]{4}[0-9a-f-]*$/i

export type Found<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string }

/**
 * The one that an operand means: by its whole UUID or name, or by a beginning of its UUID of four characters or more that no
 * other shares.
 * @param what how to call them in the sentence that says why not
 */
export function findNamed<T extends Named>(operand: string, among: readonly T[], what: string): Found<T> {
  const exact = among.filter(({ uuid, name }) => uuid === operand.toLowerCase() || (name !== '' && name === operand))
  const matches =
    exact.length > 0 || !UUID_PREFIX.test(operand)
      ? exact
      : among.filter(({ uuid }) => uuid.startsWith(operand.toLowerCase()))
  const [first, second] = matches
  if (first === undefined) return { ok: false, why: `there is no ${what} '${operand}' here` }
  if (second === undefined) return { ok: true, value: first }
  return { ok: false, why: `'${operand}' could be ${matches.map(({ uuid }) => uuid).join(' or ')}` }
}
