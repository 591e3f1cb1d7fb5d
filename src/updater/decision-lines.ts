import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeGate, hostName } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { describeCause } from './change-cause.ts'
import type { DecisionEvent } from './decision-events.ts'
import { describeEvent } from './describe-event.ts'

/** The values of `event` in the lines of the decision log, with what each line records. docs/CONFIGURATION.md names each of them. */
export const DECISION_LINES = {
  'updater-started': 'a run of the updater begins',
  'lines-lost': '`count` lines could not be written',
  'operations-changed': 'a change of host.allowed_operations',
  'operation-accepted': 'an operation that takes the replicas of a host away was accepted',
  'override-set': 'an override came into force',
  'override-removed': 'an override was removed',
  'override-used': 'an operation began only because of an override',
  'override-expired': 'an override expired',
  'order-handed-out': 'a host received its order',
  'order-withdrawn': 'an order was withdrawn before the host received it',
  'order-refused': 'a host does not carry its order out',
  'order-cleared': 'an operator cleared an order',
  'told-to-go-and-still-here': 'a host received its order a minute ago and still runs',
  'call-refused': 'a XenAPI call was refused',
} as const satisfies Record<DecisionEvent['code'] | 'updater-started' | 'lines-lost', string>

/** A line of the decision log: JSON with these fields and those of its event. */
export interface DecisionLine {
  /** ISO 8601. */
  readonly at: string
  readonly event: keyof typeof DECISION_LINES
  readonly [field: string]: unknown
}

/** A line contains at most this many causes, and this many reasons: one event may change 64 hosts, with a line for each. */
const MAX_LISTED = 8

/** The line of an event. @param knownWithinMs see `describeEvent` */
export function decisionLine(event: DecisionEvent, knownWithinMs: number): DecisionLine {
  const { at, code, host, pool } = event
  const line = { at: isoTime(at), event: code, host, hostName: host === null ? null : hostName(host, pool) }
  const text = () => describeEvent(event, knownWithinMs)
  switch (event.code) {
    case 'operations-changed': {
      const { left, returned, allowed, causes, verdicts } = event
      const described = causes.slice(0, MAX_LISTED).map(cause => ({ ...cause, text: describeCause(cause, pool) }))
      const causesOmitted = Math.max(0, causes.length - MAX_LISTED)
      return {
        ...line,
        left,
        returned,
        allowed,
        causes: described,
        causesOmitted,
        ...listed(verdicts.reboot.reasons, pool),
      }
    }
    case 'operation-accepted': {
      const { operation, task, srs, oldest } = event
      const knownWithinSeconds = knownWithinMs / 1000
      return { ...line, operation, task, knownWithinSeconds, srs, oldestReport: oldest, text: text() }
    }
    case 'override-set':
    case 'override-removed':
    case 'override-expired':
    case 'override-used': {
      const { by = null, reason, expiresMs } = event.override
      const used = event.code === 'override-used' ? { operation: event.operation, ...listed(event.reasons, pool) } : {}
      return { ...line, by, reason, expiresAt: isoTime(expiresMs), text: text(), ...used }
    }
    case 'order-handed-out':
    case 'told-to-go-and-still-here':
      return { ...line, operation: event.how, text: text() }
    case 'order-withdrawn':
      return { ...line, operation: event.how, text: text(), error: event.error, ...listed(event.reasons, pool) }
    case 'order-refused':
      return { ...line, operation: event.how, text: text(), statement: event.statement }
    case 'order-cleared':
      return { ...line, operation: event.how, text: text(), statement: event.statement, by: event.by }
    case 'call-refused': {
      const { method, user, error, reasons, count } = event
      return { ...line, method, user, error, count, text: text(), ...listed(reasons, pool) }
    }
  }
}

function listed(reasons: readonly GateReason[], pool: PoolSnapshot) {
  return {
    reasons: reasons
      .slice(0, MAX_LISTED)
      .map(reason => ({ code: reason.code, host: reason.host, sr: reason.sr, text: describeGate(reason, pool) })),
    reasonsOmitted: Math.max(0, reasons.length - MAX_LISTED),
  }
}

export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
