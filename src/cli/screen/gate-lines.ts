import type { GateAnswer, GateHostAnswer, GateReasonAnswer } from '../../agent-api/answers.ts'
import { gateKindOf, isGateBlocking } from '../../allowed-operations/reason/gate-reason.ts'
import type { Answer } from '../ask/agent-queries.ts'
import { nameOf } from '../ask/names.ts'
import { type Cause, causesOfGate } from './cause.ts'
import { formatMoment } from './moments.ts'
import type { Tone } from './paint.ts'
import { rootCauses } from './root-causes.ts'
import { columnsOf, cutMiddle, escaped, folded, padded } from './screen-text.ts'
import type { Page } from './sr-lines.ts'

/** The operations that take a host down. */
const STORAGE_OPERATIONS = ['reboot', 'shutdown', 'apply_updates'] as const
const MAX_NAME_COLUMNS = 32
const MAX_ROOT_CAUSES = 8

/** `free`: storage does not block the host; `overridden`: storage blocks it and an override allows it. */
export type StorageVerdict = 'free' | 'overridden' | 'blocked'

export function storageVerdict({ reasons, reasonsOmitted = 0, override }: GateHostAnswer): StorageVerdict {
  if (reasonsOmitted === 0 && !reasons.some(({ code }) => isGateBlocking(code))) return 'free'
  return override?.inForce === true ? 'overridden' : 'blocked'
}

/** The operations that the toolstack does not allow now, for any cause. */
export function blockedOperations({ operations }: GateHostAnswer): string[] {
  return STORAGE_OPERATIONS.filter(operation => (operations[operation] ?? null) !== null)
}

/** The hosts of the pool with what is blocked, then each root cause once: all hosts of an SR have its reasons. */
export function gateLines(gate: Answer<GateAnswer>, page: Page): string[] {
  if (!gate.ok) {
    return folded(`The gate cannot be reached: ${escaped(gate.problem.text)}.`, 0, page.columns)
  }
  const { coordinator, hosts } = gate.value
  const widths = Math.min(MAX_NAME_COLUMNS, Math.max(0, ...hosts.map(host => columnsOf(escaped(nameOf(host))))))
  const where = coordinator === null ? '' : `, by the gate on ${escaped(nameOf(coordinator))}`
  return [
    page.paint('strong', `Hosts of the pool${where}`),
    ...hosts.flatMap(host => hostLines(host, widths, page)),
    ...reasonLines(hosts, page),
  ]
}

function hostLines(host: GateHostAnswer, nameColumns: number, page: Page): string[] {
  const name = padded(cutMiddle(escaped(nameOf(host)), nameColumns), nameColumns)
  const facts = [host.live ? 'live' : 'down', host.enabled ? 'enabled' : 'disabled']
  const { tone, words } = verdictText(host)
  const lines = [`  ${name}  ${padded(facts.join(', '), 14)}  ${page.paint(tone, words)}`]
  if (host.override !== null) {
    const { by, reason, expiresAt, inForce } = host.override
    const text = `override of ${by}: ${reason}; ${inForce ? 'until' : 'not in force, ends'} ${formatMoment(expiresAt, page.now)}`
    lines.push(...folded(escaped(text), 4, page.columns))
  }
  return lines
}

function verdictText(host: GateHostAnswer): { readonly tone: Tone; readonly words: string } {
  const operations = blockedOperations(host).join(', ')
  switch (storageVerdict(host)) {
    case 'blocked':
      return { tone: 'bad', words: `blocked: ${operations}` }
    case 'overridden':
      return { tone: 'unsure', words: 'allowed by override, blocked by storage' }
    case 'free':
      return { tone: 'good', words: freeText(host) }
  }
}

/** Storage does not block the host; another rule of the toolstack may. */
function freeText({ operations }: GateHostAnswer): string {
  const error = operations.reboot?.[0]
  if (error === undefined) return 'may reboot'
  // Disabling the host is the first step of every reboot, and does not depend on storage.
  if (error === 'HOST_NOT_DISABLED') return 'may reboot once it is disabled'
  return `allowed by storage, not by the toolstack: ${escaped(error)}`
}

function reasonLines(hosts: readonly GateHostAnswer[], page: Page): string[] {
  const texts = blockingTexts(hosts)
  const omitted = hosts.reduce((most, { reasonsOmitted = 0 }) => Math.max(most, reasonsOmitted), 0)
  const first = texts.slice(0, MAX_ROOT_CAUSES)
  const left = texts.length - first.length + omitted
  return [
    ...first.flatMap(text => folded(`because ${escaped(text)}`, 2, page.columns)),
    ...(left > 0 ? [`  and ${left} more: resync-monitor explain`] : []),
  ]
}

/**
 * One sentence for each root cause that blocks these hosts, the most urgent first. Where the mirrors of a host are the root cause, it
 * is the gate's sentence about that host.
 */
export function blockingTexts(hosts: readonly GateHostAnswer[]): string[] {
  const causes = causesOfGate(blockingReasons(hosts), { coordinator: null }, null)
  return rootCauses(causes).flatMap(({ title, causes: [first], consequences }) => {
    if (first?.scope !== 'mirror') return [title]
    return [...new Set(consequences.filter(({ scope }) => scope === 'gate').map(({ text }) => text))]
  })
}

/** The gate's reasons about hosts of this SR that are down or going down. @param sr UUID */
export function causesOfAbsentHosts(gate: Answer<GateAnswer>, sr: string): Cause[] {
  if (!gate.ok) return []
  const reasons = blockingReasons(gate.value.hosts).filter(
    ({ code, sr: its }) => its.uuid === sr && gateKindOf(code)?.isAway === true,
  )
  return causesOfGate(reasons, gate.value, null)
}

/**
 * Every reason once. The text of a host with an override ends in "allowed by override of …", which is true for that host only, so the
 * text of another host is preferred.
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

/** The distinct reasons that block; an expired override does not. */
function blockingReasons(hosts: readonly GateHostAnswer[]): GateReasonAnswer[] {
  return distinctReasons(hosts).filter(({ code }) => isGateBlocking(code))
}
