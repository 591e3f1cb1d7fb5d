import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeGate, hostName } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'

/** What becomes of an order to a host to reboot or shut down. */
export type OrderEvent = {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly pool: PoolSnapshot
  /** Ref of the host. */
  readonly host: string
  readonly how: 'reboot' | 'shutdown'
} & (
  | { readonly code: 'order-handed-out' | 'told-to-go-and-still-here' }
  | { readonly code: 'order-withdrawn'; readonly error: readonly string[]; readonly reasons: readonly GateReason[] }
  | { readonly code: 'order-refused'; readonly statement: string }
  | { readonly code: 'order-cleared'; readonly by: string; readonly statement: string }
)

/** How many reasons a sentence names. */
const MAX_REASONS = 3

/** A sentence for people. */
export function describeOrderEvent(event: OrderEvent): string {
  const host = hostName(event.host, event.pool)
  switch (event.code) {
    case 'order-handed-out':
      return `${host} has its order to ${VERBS[event.how]}`
    case 'told-to-go-and-still-here':
      return `${host} has had its order to ${VERBS[event.how]} for a minute and still runs; it blocks its SRs until it is back from another boot, or an operator clears the order (resync-monitor clear-order)`
    case 'order-withdrawn': {
      const reasons = event.reasons.slice(0, MAX_REASONS).map(reason => describeGate(reason, event.pool))
      const why = reasons.length === 0 ? event.error.slice(0, 2).join(' ') : reasons.join('; ')
      return `the order to ${host} to ${VERBS[event.how]} is withdrawn before the host has it: ${why}`
    }
    case 'order-refused':
      return `${host} does not ${VERBS[event.how]}: ${event.statement}`
    case 'order-cleared':
      return `${event.by} has cleared the order to ${host} to ${VERBS[event.how]}: ${event.statement}`
  }
}

const VERBS = { reboot: 'reboot', shutdown: 'shut down' } as const
