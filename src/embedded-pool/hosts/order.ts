import type { PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import { ApiFailure } from '../calls/api-failure.ts'
import type { GoingDown } from './host-memory.ts'

/** An order to a host to reboot or shut down. */
export interface HostOrder {
  readonly id: string
  readonly host: string
  readonly how: GoingDown
  readonly task: string
  /** By the steady clock. From then on it is not handed out. */
  readonly expiresAtMs: number
  readonly cancelExpiry: () => void
  /** Resolves when the host goes down, or must be assumed to; rejects with the failure that ends the call. */
  readonly outcome: PromiseWithResolvers<void>
  isOnDisk: boolean
  isSettled: boolean
  /** The agent process and the heartbeat whose answer carried the order; `null`: the host does not have it. */
  handedOut: { readonly agent: string | null; readonly beat: number } | null
  /** Ends the wait for the statement of the host. */
  cancelStated: () => void
}

/** What a heartbeat states about orders. Agents of earlier versions state nothing. */
export interface OrderStatement {
  /** Id of the agent process. It changes at each start. */
  readonly agent: string
  /** Increases with each heartbeat of that process. */
  readonly beat: number
  /** Id of the last order that the process has received; `''` if none. */
  readonly lastOrder: string
  /** Why the host does not carry that order out; `null` if it does, or may. */
  readonly refusal: string | null
}

/** Whether a heartbeat is later than the one whose answer carried the order, and of the same agent process. */
export function isLater(handedOut: HostOrder['handedOut'], agent: string, beat: number): boolean {
  return handedOut !== null && handedOut.agent === agent && beat > handedOut.beat
}

export function expired(how: GoingDown, lifeMs: number): ApiFailure {
  return new ApiFailure(
    'OPERATION_NOT_ALLOWED',
    `the order to ${how} has expired: the host did not fetch it within ${lifeMs / 1000} s`,
  )
}

/** The snapshot without the order, so that the order itself does not block its host. */
export function withoutOrder(pool: PoolSnapshot, { host }: HostOrder): PoolSnapshot {
  const hosts = pool.hosts.map(each => {
    if (each.ref !== host) return each
    const others = each.currentOperations.filter(({ operation }) => operation !== 'reboot' && operation !== 'shutdown')
    return { ...each, leaving: false, currentOperations: others }
  })
  return { ...pool, hosts }
}
