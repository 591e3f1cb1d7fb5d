/** The settings of the gate. */
export interface GatePolicy {
  /**
   * `conservative`: while one host of an SR is away or not in sync, no other host of that SR may go down.
   * `placement`: a host may go down unless a mirror would lose its last current replica or its quorum.
   */
  readonly kind: 'conservative' | 'placement'
  /** SR types that are guarded, in addition to SRs with `clustered` and SRs marked with AGGREGATED_KEY. */
  readonly aggregatedSrTypes: readonly string[]
  /** How long a report stays valid without confirmation. After that the host blocks the SR. */
  readonly leaseMs: number
  /** How far the clock of a host may be ahead. */
  readonly clockSkewMs: number
  /** DRBD names of machines outside the pool that hold replicas. They never go down together with the pool. */
  readonly outsidePeers: readonly string[]
}

export const DEFAULT_POLICY: GatePolicy = {
  kind: 'conservative',
  aggregatedSrTypes: ['linstor', 'resync-monitor'],
  leaseMs: 90_000,
  clockSkewMs: 60_000,
  outsidePeers: [],
}

/** The key of `SR.other_config` that marks an SR as aggregated when neither its type nor `clustered` does. */
export const AGGREGATED_KEY = 'resync-monitor:aggregated'
