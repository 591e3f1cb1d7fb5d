import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'

/** What the updater needs of a toolstack. */
export interface PoolPort {
  /** The pool as it is now, overrides included. */
  snapshot(): PoolSnapshot
  /** Ref of the coordinator (`pool.master`). A pool that never changes it need not say it. */
  coordinator?(): string
  /** Writes `host.allowed_operations`. */
  setAllowedOperations(host: string, operations: readonly HostOperation[]): void
  /** Keeps the names of the peers that the host of a PBD, by its ref, has listed last. They come back in `snapshot`. */
  keepPeers(pbd: string, peers: readonly string[]): void
  /**
   * Asks a host itself for its report of an SR: host.call_plugin(host, "resync-monitor", "report", {sr}).
   * @returns the report as text; rejects when there is no answer, or `signal` says that nobody waits for it any more
   */
  pollReport(host: string, sr: string, signal: AbortSignal): Promise<string>
}
