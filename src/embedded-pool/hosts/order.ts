import type { PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import { ApiFailure } from '../calls/api-failure.ts'
import type { GoingDown } from './host-memory.ts'

export interface HostOrder {
  readonly id: string
  readonly host: string
  readonly how: GoingDown
  readonly task: string
  /** By the steady clock. Nobody gets it from then on. */
  readonly expiresAtMs: number
  readonly cancelExpiry: () => void
  /** Resolved when the host goes, or must be taken to go; rejected with the ApiFailure that ends the call. */
  readonly outcome: PromiseWithResolvers<void>
  isOnDisk: boolean
  isSettled: boolean
  /** To whom, with the answer to which heartbeat; `null`: nobody has it. */
  handedOut: { readonly agent: string | null; readonly beat: number } | null
  /** Ends the wait for the host's own word. */
  cancelStated: () => void
}

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

export function isLater(handedOut: HostOrder['handedOut'], agent: string, beat: number): boolean {
  return handedOut !== null && handedOut.agent === agent && beat > handedOut.beat
}

export function expired(how: GoingDown, lifeMs: number): ApiFailure {
  return new ApiFailure(
    'OPERATION_NOT_ALLOWED',
    `the order to ${how} has expired: the host did not fetch it within ${lifeMs / 1000} s`,
  )
}

/** The pool as it is but for the order: whether the host may go is not a question of its being told to. */
export function withoutOrder(pool: PoolSnapshot, { host }: HostOrder): PoolSnapshot {
  const hosts = pool.hosts.map(each => {
    if (each.ref !== host) return each
    const others = each.currentOperations.filter(({ operation }) => operation !== 'reboot' && operation !== 'shutdown')
    return { ...each, leaving: false, currentOperations: others }
  })
  return { ...pool, hosts }
}
