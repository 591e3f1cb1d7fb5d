/** The UUID and the names of an object of the pool. */
export interface ObjectNames {
  readonly uuid: string
  /** Names for people; an empty one is ignored. */
  readonly names: readonly string[]
}

export type FoundByName<T> =
  | { readonly ok: true; readonly value: T }
  /** `candidates`: the objects that match, each with name and UUID; empty if none matches. */
  | { readonly ok: false; readonly candidates: readonly string[] }

const UUID_BEGINNING = /^[0-9a-f]{4}[0-9a-f-]*$/i

const MAX_CANDIDATES = 8

/**
 * Finds the object that an operand names: the one with this UUID or name; otherwise the one with this name in another case;
 * otherwise the one whose UUID begins with the operand, which needs four characters or more.
 */
export function findByName<T>(operand: string, among: readonly T[], namesOf: (each: T) => ObjectNames): FoundByName<T> {
  const lower = operand.toLowerCase()
  const matchers: readonly ((object: ObjectNames) => boolean)[] = [
    ({ uuid, names }) => uuid.toLowerCase() === lower || names.includes(operand),
    ({ names }) => names.some(name => name.toLowerCase() === lower),
    ({ uuid }) => UUID_BEGINNING.test(operand) && uuid.toLowerCase().startsWith(lower),
  ]
  for (const matches of operand.trim() === '' ? [] : matchers) {
    const found = among.filter(each => matches(namesOf(each)))
    const [first] = found
    if (first === undefined) continue
    return found.length === 1
      ? { ok: true, value: first }
      : { ok: false, candidates: candidateLabels(found.map(namesOf)) }
  }
  return { ok: false, candidates: [] }
}

/** The first name that is not blank, or `''`: a blank name would hide which object is meant. */
export function firstName(...names: readonly (string | undefined)[]): string {
  return names.find(name => name !== undefined && name.trim() !== '') ?? ''
}

/** The error text for an operand that names no host, or several. */
export function hostNotFound(operand: string, candidates: readonly string[]): string {
  if (operand.trim() === '') return 'name a host'
  if (candidates.length === 0) return `no host of the pool is called ${operand}`
  return `several hosts are called ${operand}: ${candidates.join(' or ')}; name one by its UUID`
}

function candidateLabels(objects: readonly ObjectNames[]): string[] {
  const labels = objects.slice(0, MAX_CANDIDATES).map(({ uuid, names }) => {
    const name = firstName(...names)
    return name === '' || name === uuid ? uuid : `${name} (${uuid})`
  })
  return objects.length > MAX_CANDIDATES ? [...labels, `${objects.length - MAX_CANDIDATES} more`] : labels
}
