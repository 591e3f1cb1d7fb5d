import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeGate, describeOverride, hostName } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { describeCause } from './change-cause.ts'
import type {
  AcceptedOperation,
  DecisionEvent,
  OperationsChange,
  OrderDecision,
  OverrideEvent,
  RefusedCallEvent,
} from './decision-events.ts'

/** A sentence contains at most this many causes or reasons. */
const MAX_NAMED = 3

const VERBS = { reboot: 'reboot', shutdown: 'shut down' } as const

/**
 * One sentence for people about any event.
 * @param knownWithinMs for an accepted operation: a change that is older than this would be known to the gate
 */
export function describeEvent(event: DecisionEvent, knownWithinMs: number): string {
  switch (event.code) {
    case 'operations-changed':
      return describeChange(event)
    case 'operation-accepted':
      return describeAccepted(event, knownWithinMs)
    case 'override-set':
    case 'override-removed':
    case 'override-expired':
    case 'override-used':
      return describeOverrideEvent(event)
    case 'order-handed-out':
    case 'told-to-go-and-still-here':
    case 'order-withdrawn':
    case 'order-refused':
    case 'order-cleared':
      return describeOrder(event)
    case 'call-refused':
      return describeRefusedCall(event)
  }
}

function describeChange({ host, left, returned, causes, pool }: OperationsChange): string {
  const changed = [...left.map(each => `-${each}`), ...returned.map(each => `+${each}`)].join(' ')
  const why = causes.slice(0, MAX_NAMED).map(cause => describeCause(cause, pool))
  return `${hostName(host, pool)}: ${changed} (${why.join('; ')})`
}

function describeAccepted({ host, operation, pool, oldest }: AcceptedOperation, knownWithinMs: number): string {
  const age =
    oldest === null
      ? 'no report was needed'
      : `the oldest report was confirmed ${seconds(oldest.ageMs)} s ago, by ${hostName(oldest.host, pool)}`
  return `${operation} of ${hostName(host, pool)} was accepted; ${age}; changes of the last ${seconds(knownWithinMs)} s may not be known yet`
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10
}

function describeOverrideEvent(event: OverrideEvent): string {
  if (event.code !== 'override-used') return describeCause(event, event.pool)
  return `${event.operation} of ${hostName(event.host, event.pool)} began because of the ${describeOverride(event.override)}`
}

function describeOrder(event: OrderDecision): string {
  const host = hostName(event.host, event.pool)
  const verb = VERBS[event.how]
  switch (event.code) {
    case 'order-handed-out':
      return `${host} has received the order to ${verb}`
    case 'told-to-go-and-still-here':
      return `${host} received the order to ${verb} a minute ago and still runs. It blocks its SRs until it returns from another boot, or an operator clears the order (resync-monitor clear-order)`
    case 'order-withdrawn': {
      const { error, reasons, pool } = event
      const why = reasons.length === 0 ? error.slice(0, 2).join(' ') : named(reasons, pool)
      return `the order to ${host} to ${verb} is withdrawn before the host received it: ${why}`
    }
    case 'order-refused':
      return `${host} does not ${verb}: ${event.statement}`
    case 'order-cleared':
      return `${event.by} has cleared the order to ${host} to ${verb}: ${event.statement}`
  }
}

function describeRefusedCall({ method, host, user, error, reasons, pool, count }: RefusedCallEvent): string {
  const about = host === null ? '' : ` of ${hostName(host, pool)}`
  const times = count === 1 ? '' : ` (${count} calls in a minute, this is the last one)`
  const more = reasons.length > MAX_NAMED ? ` and ${reasons.length - MAX_NAMED} more` : ''
  const why = reasons.length === 0 ? '' : `: ${named(reasons, pool)}${more}`
  return `${method}${about} by ${user} is refused${times}: ${error.join(' ')}${why}`
}

function named(reasons: readonly GateReason[], pool: PoolSnapshot): string {
  return reasons
    .slice(0, MAX_NAMED)
    .map(reason => describeGate(reason, pool))
    .join('; ')
}
