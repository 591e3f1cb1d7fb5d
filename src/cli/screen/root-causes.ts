import { gateKindOf, isGateReasonCode } from '../../allowed-operations/reason/gate-reason.ts'
import { kindOf, urgencyOf } from '../../sync-query/reason/reason.ts'
import { labelOf, nameOf } from '../ask/names.ts'
import { type Cause, kindTitle } from './cause.ts'

/** One fault: the reasons of which it consists, and those that exist only because of it. */
export interface RootCause {
  /** One line without the end of a sentence: what happened, to which object. */
  readonly title: string
  readonly blocking: boolean
  readonly clearedBy: 'time' | 'operator'
  /** At least one. */
  readonly causes: readonly Cause[]
  readonly consequences: readonly Cause[]
}

interface Group {
  readonly causes: Cause[]
  readonly consequences: Cause[]
}

/**
 * Groups reasons by their root cause, the most urgent first:
 * - A host that is down or going down is the root cause of every lost connection to it.
 * - Reasons with one code, host, SR and peer are one fault of many mirrors.
 * - That a host is not in sync follows from the reasons of its mirrors.
 */
export function rootCauses(causes: readonly Cause[]): RootCause[] {
  const groups = new Map<string, Group>()
  const groupOf = (key: string) => {
    const known = groups.get(key)
    if (known !== undefined) return known
    const group: Group = { causes: [], consequences: [] }
    groups.set(key, group)
    return group
  }
  const awayHosts = new Map<string, string>()
  for (const { scope, code, host } of causes) {
    if (scope === 'gate' && gateKindOf(code)?.isAway === true) awayHosts.set(nameOf(host).toLowerCase(), host.uuid)
  }
  /** The group of the mirrors of a host and SR, by both UUIDs. */
  const groupOfMirrors = new Map<string, Group>()
  for (const cause of causes.filter(({ scope }) => scope === 'mirror')) {
    const { code, host, sr, peer, clearedBy } = cause
    const away = kindOf(code)?.followsAbsentPeer === true ? awayHosts.get((peer ?? '').toLowerCase()) : undefined
    const group = groupOf(
      away === undefined ? JSON.stringify([code, host.uuid, sr.uuid, peer, clearedBy]) : `away ${away}`,
    )
    if (away === undefined) group.causes.push(cause)
    else group.consequences.push(cause)
    const key = `${host.uuid} ${sr.uuid}`
    const before = groupOfMirrors.get(key)
    // A fault of the mirrors themselves explains the state of the host better than another host that is down.
    if (before === undefined || (before.causes.length === 0 && away === undefined)) groupOfMirrors.set(key, group)
  }
  for (const cause of causes.filter(({ scope }) => scope === 'gate')) {
    const { code, host, sr, clearedBy } = cause
    const kind = gateKindOf(code)
    if (kind?.isAway === true) groupOf(`away ${host.uuid}`).causes.push(cause)
    else {
      const ofMirrors = kind?.followsMirrors === true ? groupOfMirrors.get(`${host.uuid} ${sr.uuid}`) : undefined
      if (ofMirrors === undefined) groupOf(JSON.stringify([code, host.uuid, clearedBy])).causes.push(cause)
      else ofMirrors.consequences.push(cause)
    }
  }
  return [...groups.values()].map(rootCauseOf).toSorted((a, b) => rankOf(a) - rankOf(b))
}

/** The rank of the most urgent reason; a host that is away comes before other faults of the same rank. */
function rankOf({ causes, consequences }: RootCause): number {
  const rank = Math.min(...causes.map(({ code, clearedBy, blocking }) => urgencyOf(code, clearedBy, blocking)))
  return consequences.length > 0 ? rank - 0.5 : rank
}

function rootCauseOf({ causes, consequences }: Group): RootCause {
  return {
    title: titleOf(causes, consequences),
    blocking: causes.some(({ blocking }) => blocking),
    clearedBy: causes.some(({ clearedBy }) => clearedBy === 'operator') ? 'operator' : 'time',
    causes,
    consequences,
  }
}

function titleOf(causes: readonly Cause[], consequences: readonly Cause[]): string {
  const [first] = causes
  if (first === undefined) return ''
  const { code, scope, host, sr, peer, text, clearedBy } = first
  if (scope === 'gate') {
    const srs = new Set(causes.map(each => each.sr.uuid)).size
    const where = srs === 1 ? ` (SR ${labelOf(sr)})` : ` (${srs} SRs)`
    if (gateKindOf(code)?.isAway !== true) return srs === 1 ? text : `${nameOf(host)}: ${kindTitle(code)}${where}`
    const names = { host: nameOf(host), sr: labelOf(sr), peer: '', clearedBy }
    const sentence = isGateReasonCode(code) ? (gateKindOf(code)?.sentence(names) ?? text) : text
    const mirrors = mirrorCount(consequences)
    return mirrors === 0
      ? `${sentence}${where}`
      : `${sentence}: ${count(mirrors, 'mirror')} ${have(mirrors)} no copy there`
  }
  if (causes.length === 1) return text
  return `${nameOf(host)}: ${count(causes.length, 'mirror')}: ${kindTitle(code)}${peer === null ? '' : ` (peer ${peer})`}`
}

/** How many mirrors these reasons are about, each counted once however many hosts report it. */
export function mirrorCount(causes: readonly Cause[]): number {
  return new Set(causes.flatMap(({ sr, mirror }) => (mirror === null ? [] : [`${sr.uuid} ${mirror}`]))).size
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

function have(number: number): string {
  return number === 1 ? 'has' : 'have'
}
