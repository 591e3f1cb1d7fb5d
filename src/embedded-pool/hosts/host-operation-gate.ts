import type { Claim } from '../../allowed-operations/claim.ts'
import type { XapiError } from '../../allowed-operations/pool/host-operation.ts'
import type { PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import type { GateReason } from '../../allowed-operations/reason/gate-reason.ts'
import type { GoingDown } from './host-memory.ts'

/** Decides whether a host operation may start. */
export interface HostOperationGate {
  /**
   * Must answer synchronously, from the given snapshot. The pool writes an accepted reboot or shutdown into `current_operations`
   * before anything else can run, so the next claim finds it there.
   */
  claim(pool: PoolSnapshot, claim: Claim): ClaimAnswer
}

/** An allowed operation may still not start; the pool calls `begun` when it does. */
type ClaimAnswer =
  | { readonly ok: true; readonly begun?: () => void }
  | { readonly ok: false; readonly error: XapiError; readonly reasons?: readonly GateReason[] }

/** The driver of the machines of the hosts. */
export interface HostMachines {
  /**
   * Called when a host gets its order. With liveness by heartbeat the host gets it in the answer to its heartbeat. Otherwise this
   * driver takes the host down; it calls `hostLeft` when the host is down and `hostReturned` when it is back.
   */
  goDown(hostRef: string, how: GoingDown): void
  /** Switches a host on. Without it host.power_on fails as on a pool without the power-on plugin. */
  powerOn?(hostRef: string): void
}
