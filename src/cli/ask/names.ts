import type { GateAnswer, Named } from '../../agent-api/answers.ts'
import { findByName, firstName } from '../../allowed-operations/pool/find-by-name.ts'
import type { Answer } from './agent-queries.ts'
import type { Overview } from './overview.ts'

export type Found<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string }

/** How many valid names an error lists. */
const MAX_LISTED = 8

/**
 * Finds the object that an operand names, as `findByName` does. If there is none, `why` lists the valid names.
 * @param what the kind of object, for the sentence
 */
export function findNamed<T extends Named>(operand: string, among: readonly T[], what: string): Found<T> {
  const found = findByName(operand, among, ({ uuid, name }) => ({ uuid, names: [name] }))
  if (found.ok) return found
  const { candidates } = found
  if (candidates.length > 0) return { ok: false, why: `'${operand}' matches ${candidates.join(' and ')}` }
  const valid = [...new Set(among.map(nameOf))]
  const more = valid.length > MAX_LISTED ? `, and ${valid.length - MAX_LISTED} more` : ''
  const list = valid.length === 0 ? '' : `; valid: ${valid.slice(0, MAX_LISTED).join(', ')}${more}`
  return { ok: false, why: `there is no ${what} '${operand}' here${list}` }
}

/** The SRs of an overview, those of this host first. Only the gate knows names. */
export function knownSrs({ srs, gate }: Pick<Overview, 'srs' | 'gate'>): Named[] {
  const own = srs.map(({ report }) => ({ uuid: report.sr, name: '' }))
  return merged([...own, ...namesFromGate(gate)])
}

/** The SRs that the gate names: all SRs of the pool, or from an earlier version of the coordinator those that block. */
export function namesFromGate(gate: Answer<GateAnswer>): Named[] {
  return gate.ok ? merged([...(gate.value.srs ?? []), ...gateReasons(gate).map(({ sr }) => sr)]) : []
}

/** The hosts of an overview. */
export function knownHosts({ srs, gate }: Overview): Named[] {
  const own = srs.map(({ report }) => ({ uuid: report.host, name: '' }))
  const ofPool = gate.ok ? gate.value.hosts.map(({ uuid, name }) => ({ uuid, name })) : []
  return merged([...own, ...ofPool, ...gateReasons(gate).map(({ host }) => host)])
}

/** The object with this UUID; its name is empty if it is not known. */
export function namedBy(uuid: string, known: readonly Named[]): Named {
  return known.find(each => each.uuid === uuid) ?? { uuid, name: '' }
}

/** The name for people; the UUID if there is no name. */
export function nameOf({ uuid, name }: Named): string {
  return firstName(name, uuid)
}

/** `mirrored (5c5c5c5c…)`: a name with the beginning of the UUID, which is a valid operand; the whole UUID if there is no name. */
export function labelOf(named: Named): string {
  const name = nameOf(named)
  return name === named.uuid ? name : `${name} (${named.uuid.slice(0, 8)}…)`
}

/** One entry for each UUID, with a name if any entry has one. */
function merged(all: readonly Named[]): Named[] {
  const known = new Map<string, Named>()
  for (const each of all) if ((known.get(each.uuid)?.name ?? '') === '') known.set(each.uuid, each)
  return [...known.values()]
}

function gateReasons(gate: Answer<GateAnswer>) {
  return gate.ok ? gate.value.hosts.flatMap(({ reasons }) => reasons) : []
}
