import type { XapiError } from '../../allowed-operations/pool/host-operation.ts'
import type { GateReason } from '../../allowed-operations/reason/gate-reason.ts'
import type { GoingDown } from './host-memory.ts'

/** What an agent says of orders with each heartbeat. An agent of an earlier version says nothing. */
export interface OrderStatement {
  /** Id of the process, another one after each start. */
  readonly agent: string
  /** Rises with each heartbeat of that process. */
  readonly beat: number
  /** Id of the last order that the process has received; `''`: none. */
  readonly lastOrder: string
  /** Why the host does not carry that order out; `null`: it does, or may. */
  readonly refusal: string | null
}

/** What becomes of an order. Each is told once, and the last three end it. */
export type OrderEvent = {
  /** Ref of the host. */
  readonly host: string
  readonly how: GoingDown
} & (
  | { readonly code: 'order-handed-out' | 'told-to-go-and-still-here' }
  /** The gate, a time limit or the caller has withdrawn it before the host got it. */
  | { readonly code: 'order-withdrawn'; readonly error: XapiError; readonly reasons: readonly GateReason[] }
  /** The host states that it does not go. */
  | { readonly code: 'order-refused'; readonly statement: string }
  /** An operator states that the host does not go. */
  | { readonly code: 'order-cleared'; readonly by: string; readonly statement: string }
)
