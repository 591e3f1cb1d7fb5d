import type { GateAnswer, GateHostAnswer, GateReasonAnswer } from '../../agent-api/answers.ts'
import { isGateBlocking } from '../../allowed-operations/reason/gate-reason.ts'
import type { Told } from '../ask/agent-talk.ts'
import { nameOf } from './cause.ts'
import { sayMoment } from './moment-words.ts'
import type { Tone } from './paint.ts'
import { columnsOf, cutMiddle, folded, padded, shown } from './screen-text.ts'
import type { Page } from './sr-lines.ts'

/** What an operator who wants to take a host down asks for. */
const STORAGE_OPERATIONS = ['reboot', 'shutdown', 'apply_updates'] as const
const MAX_NAME_COLUMNS = 32
const MAX_REASONS = 8

/** `free`: storage lets it go; `overridden`: it does not, and an override lets it. */
export type StorageVerdict = 'free' | 'overridden' | 'blocked'

export function storageVerdict({ reasons, reasonsOmitted = 0, override }: GateHostAnswer): StorageVerdict {
  if (reasonsOmitted === 0 && !reasons.some(({ code }) => isGateBlocking(code))) return 'free'
  return override?.inForce === true ? 'overridden' : 'blocked'
}

/** Operations that the toolstack does not allow now, whatever the cause. */
export function blockedOperations({ operations }: GateHostAnswer): string[] {
  return STORAGE_OPERATIONS.filter(operation => (operations[operation] ?? null) !== null)
}

/** The hosts of the pool with what is blocked, then every reason once: all hosts of an SR share its reasons. */
export function gateLines(gate: Told<GateAnswer>, page: Page): string[] {
  if (!gate.ok) {
    return folded(`The gate could not be asked: ${shown(gate.problem.text)}.`, 0, page.columns)
  }
  const { coordinator, hosts } = gate.value
  const widths = Math.min(MAX_NAME_COLUMNS, Math.max(0, ...hosts.map(host => columnsOf(shown(nameOf(host))))))
  const where = coordinator === null ? '' : `, by the gate on ${shown(nameOf(coordinator))}`
  return [
    page.paint('strong', `Hosts of the pool${where}`),
    ...hosts.flatMap(host => hostLines(host, widths, page)),
    ...reasonLines(hosts, page),
  ]
}

function hostLines(host: GateHostAnswer, nameColumns: number, page: Page): string[] {
  const name = padded(cutMiddle(shown(nameOf(host)), nameColumns), nameColumns)
  const facts = [host.live ? 'live' : 'down', host.enabled ? 'enabled' : 'disabled']
  const { tone, words } = verdictWords(host)
  const lines = [`  ${name}  ${padded(facts.join(', '), 14)}  ${page.paint(tone, words)}`]
  if (host.override !== null) {
    const { by, reason, expiresAt, inForce } = host.override
    const text = `override of ${by}: ${reason}; ${inForce ? 'until' : 'not in force, ends'} ${sayMoment(expiresAt, page.now)}`
    lines.push(...folded(shown(text), 4, page.columns))
  }
  return lines
}

function verdictWords(host: GateHostAnswer): { readonly tone: Tone; readonly words: string } {
  const operations = blockedOperations(host).join(', ')
  switch (storageVerdict(host)) {
    case 'blocked':
      return { tone: 'bad', words: `blocked: ${operations}` }
    case 'overridden':
      return { tone: 'unsure', words: 'storage says no, an override lets it go' }
    case 'free':
      return { tone: 'good', words: freeWords(host) }
  }
}

/** Storage does not hold it back; the toolstack's ordinary rules may. */
function freeWords({ operations }: GateHostAnswer): string {
  const error = operations.reboot?.[0]
  if (error === undefined) return 'may reboot'
  // The first step of every reboot, and none that storage has a say in.
  if (error === 'HOST_NOT_DISABLED') return 'may reboot once it is disabled'
  return `storage lets it go, the toolstack not: ${shown(error)}`
}

function reasonLines(hosts: readonly GateHostAnswer[], page: Page): string[] {
  const reasons = blockingReasons(hosts)
  const omitted = hosts.reduce((most, { reasonsOmitted = 0 }) => Math.max(most, reasonsOmitted), 0)
  const told = reasons.slice(0, MAX_REASONS)
  const left = reasons.length - told.length + omitted
  return [
    ...told.flatMap(({ text }) => folded(`because ${shown(text)}`, 2, page.columns)),
    ...(left > 0 ? [`  and ${left} more: resync-monitor explain`] : []),
  ]
}

/**
 * Every reason once. That of a host with an override ends in "allowed by override of …", which is true of no other host: it is
 * told only where no other host gives the reason.
 */
export function distinctReasons(hosts: readonly Pick<GateHostAnswer, 'reasons' | 'override'>[]): GateReasonAnswer[] {
  const isOverridden = ({ override }: Pick<GateHostAnswer, 'override'>) => override?.inForce === true
  const distinct = new Map<string, GateReasonAnswer>()
  for (const { reasons } of hosts.toSorted((a, b) => Number(isOverridden(a)) - Number(isOverridden(b)))) {
    for (const reason of reasons) {
      const key = JSON.stringify([reason.code, reason.host.uuid, reason.sr.uuid])
      if (!distinct.has(key)) distinct.set(key, reason)
    }
  }
  return [...distinct.values()]
}

/** Those that block something: an override that has expired does not. */
export function blockingReasons(hosts: readonly GateHostAnswer[]): GateReasonAnswer[] {
  return distinctReasons(hosts).filter(({ code }) => isGateBlocking(code))
}
