import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import type { Override, PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeOverride, hostName } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { describeCause, type OverrideCause } from './change-cause.ts'

/** A host has got an order by an override alone: storage would have refused it. */
interface OverrideUse {
  readonly code: 'override-used'
  /** Ref of the host. */
  readonly host: string
  readonly override: Override
  readonly operation: HostOperation
  /** What storage said against it. */
  readonly reasons: readonly GateReason[]
}

/**
 * Somebody has taken a responsibility, or is rid of it. It is told whether or not `host.allowed_operations` has changed: an
 * override for a host that nothing blocks may be what lets it go later.
 */
export type OverrideEvent = (OverrideCause | OverrideUse) & {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly pool: PoolSnapshot
}

/** A sentence for people. */
export function describeOverrideEvent(event: OverrideEvent): string {
  if (event.code !== 'override-used') return describeCause(event, event.pool)
  return `${event.operation} of ${hostName(event.host, event.pool)} has begun by ${describeOverride(event.override)}`
}
