import type { Claim } from '../../allowed-operations/claim.ts'
import type { XapiError } from '../../allowed-operations/pool/host-operation.ts'
import type { PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import type { GateReason } from '../../allowed-operations/reason/gate-reason.ts'
import type { GoingDown } from './host-memory.ts'

/** Decides whether a host operation may begin. */
export interface HostOperationGate {
  /**
   * Must answer at once, from the pool as it is handed in. The pool writes an accepted reboot or shutdown into
   * `current_operations` before anything else can run: the next claim finds it there.
   */
  claim(pool: PoolSnapshot, claim: Claim): ClaimAnswer
}

/** An operation that may begin need not: `begun` is called when it does. */
type ClaimAnswer =
  | { readonly ok: true; readonly begun?: () => void }
  | { readonly ok: false; readonly error: XapiError; readonly reasons?: readonly GateReason[] }

/** The machines behind the pool's hosts, which somebody else drives. */
export interface HostMachines {
  /**
   * A host has its order: with the answer to its heartbeat where hosts are live by heartbeat, else from this driver, which
   * begins to take the host down. The driver calls hostLeft when it is down, and hostReturned when it is back.
   */
  goDown(hostRef: string, how: GoingDown): void
  /** Switches a host on. A driver without it: host.power_on fails as on a pool without the power-on plugin. */
  powerOn?(hostRef: string): void
}
