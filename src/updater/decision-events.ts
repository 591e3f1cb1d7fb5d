import type { HostVerdicts } from '../allowed-operations/decide.ts'
import type { HostOperation, XapiError } from '../allowed-operations/pool/host-operation.ts'
import type { Override, PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import type { ChangeCause, OverrideCause } from './change-cause.ts'

/**
 * Everything that the gate decides, and what becomes of it: one stream, which the decision log writes (decision-lines.ts) and the
 * log describes (describe-event.ts).
 */
export type DecisionEvent = OperationsChange | AcceptedOperation | OverrideEvent | OrderDecision | RefusedCallEvent

/** The moment of an event and the pool that it was decided from. */
interface Occasion {
  /** Unix time in milliseconds. */
  readonly at: number
  readonly pool: PoolSnapshot
}

/** A change of `host.allowed_operations` of one host. */
export interface OperationsChange extends Occasion {
  readonly code: 'operations-changed'
  /** Ref of the host. */
  readonly host: string
  readonly left: readonly HostOperation[]
  readonly returned: readonly HostOperation[]
  readonly allowed: readonly HostOperation[]
  readonly verdicts: HostVerdicts
  /** What changed since the computation before, as far as it concerns this host. Never empty. */
  readonly causes: readonly ChangeCause[]
}

/** The gate accepted an operation that takes the replicas of a host away. */
export interface AcceptedOperation extends Occasion {
  readonly code: 'operation-accepted'
  /** Ref of the host. */
  readonly host: string
  readonly operation: HostOperation
  /** Ref of the task. */
  readonly task: string
  /** How many SRs the decision considered. */
  readonly srs: number
  /** The member of these SRs that confirmed its report longest ago; `null`: no member has reported. */
  readonly oldest: { readonly host: string; readonly sr: string; readonly ageMs: number } | null
}

/** An operation began only because of an override: the storage rule blocked it. */
interface OverrideUse {
  readonly code: 'override-used'
  /** Ref of the host. */
  readonly host: string
  readonly override: Override
  readonly operation: HostOperation
  /** Why the storage rule blocked it. */
  readonly reasons: readonly GateReason[]
}

/**
 * An override was set, removed, used, or has expired. The event occurs whether or not `host.allowed_operations` changes: an override
 * for a host that nothing blocks may allow a reboot later.
 */
export type OverrideEvent = (OverrideCause | OverrideUse) & Occasion

/** A step of an order to a host to reboot or shut down. Each occurs once, and the last three end the order. */
export type OrderEvent = {
  /** Ref of the host. */
  readonly host: string
  readonly how: 'reboot' | 'shutdown'
} & (
  | { readonly code: 'order-handed-out' | 'told-to-go-and-still-here' }
  /** The gate, a time limit or the caller withdrew the order before the host got it. */
  | { readonly code: 'order-withdrawn'; readonly error: XapiError; readonly reasons: readonly GateReason[] }
  /** The host states that it does not carry the order out. */
  | { readonly code: 'order-refused'; readonly statement: string }
  /** An operator states that the host does not carry the order out. */
  | { readonly code: 'order-cleared'; readonly by: string; readonly statement: string }
)

export type OrderDecision = OrderEvent & Occasion

/** A XenAPI call that was answered with an error. */
export interface RefusedCall {
  /** `''`: there is no such method. */
  readonly method: string
  /** Ref of the host that the call is about; `null`: none, or one that the pool does not have. */
  readonly host: string | null
  /** `''`: the caller is not known. */
  readonly user: string
  readonly error: XapiError
  /** Why the storage rule blocks it. */
  readonly reasons: readonly GateReason[]
  /** Whether the call would have changed something, or its user may not call it. Other failed calls are only counted. */
  readonly isDecision: boolean
}

/** Refused calls with the same method, host, user and error code: the last of them, and how many there are. */
export interface RefusedCallEvent extends RefusedCall, Occasion {
  readonly code: 'call-refused'
  readonly count: number
}
