/** What an object of the pool may be called by. */
export interface ObjectNames {
  readonly uuid: string
  /** Names that people know; an empty one names nothing. */
  readonly names: readonly string[]
}

export type FoundByName<T> =
  | { readonly ok: true; readonly value: T }
  /** `candidates`: all that it could be, each with its name and UUID; none: there is no such object. */
  | { readonly ok: false; readonly candidates: readonly string[] }

const UUID_BEGINNING = /^[0-9a-f]{4}[0-9a-f-]*$/i

/** So many candidates are listed. */
const MAX_LISTED = 8

/**
 * The object that a person means by `operand`: the one with this UUID or name; else the one with this name in another case;
 * else the one whose UUID begins so, with four characters or more.
 */
export function findByName<T>(operand: string, among: readonly T[], namesOf: (each: T) => ObjectNames): FoundByName<T> {
  const lower = operand.toLowerCase()
  const isCalled: readonly ((called: ObjectNames) => boolean)[] = [
    ({ uuid, names }) => uuid.toLowerCase() === lower || names.includes(operand),
    ({ names }) => names.some(name => name.toLowerCase() === lower),
    ({ uuid }) => UUID_BEGINNING.test(operand) && uuid.toLowerCase().startsWith(lower),
  ]
  for (const test of operand.trim() === '' ? [] : isCalled) {
    const found = among.filter(each => test(namesOf(each)))
    const [first] = found
    if (first === undefined) continue
    return found.length === 1 ? { ok: true, value: first } : { ok: false, candidates: listed(found.map(namesOf)) }
  }
  return { ok: false, candidates: [] }
}

/** The first of `names` that says something: an empty or blank one would hide which object is meant. */
export function firstName(...names: readonly (string | undefined)[]): string {
  return names.find(name => name !== undefined && name.trim() !== '') ?? ''
}

/** Why `operand` means no host, or which hosts it could mean. */
export function hostNotFound(operand: string, candidates: readonly string[]): string {
  if (operand.trim() === '') return 'name a host'
  if (candidates.length === 0) return `no host of the pool is called ${operand}`
  return `several hosts are called ${operand}: ${candidates.join(' or ')}; name one by its UUID`
}

function listed(called: readonly ObjectNames[]): string[] {
  const labels = called.slice(0, MAX_LISTED).map(({ uuid, names }) => {
    const name = firstName(...names)
    return name === '' || name === uuid ? uuid : `${name} (${uuid})`
  })
  return called.length > MAX_LISTED ? [...labels, `${called.length - MAX_LISTED} more`] : labels
}
