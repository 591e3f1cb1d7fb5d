/** What the people of a pool may choose about the gate. */
export interface GatePolicy {
  /**
   * `conservative`: one host away or out of sync, and no other host of the SR may go.
   * `placement`: a host may go unless a mirror would lose its last current replica or its quorum.
   */
  readonly kind: 'conservative' | 'placement'
  /** SR types that are made of mirrored host disks, beside every SR with `clustered` and every one marked by hand. */
  readonly aggregatedSrTypes: readonly string[]
  /** How long a confirmation of a report is worth something: a dead daemon blocks after this. */
  readonly leaseMs: number
  /** How far the clock of a host may be ahead. */
  readonly clockSkewMs: number
  /** Machines outside the pool that hold replicas and do not go down with it, as DRBD names them. */
  readonly outsidePeers: readonly string[]
}

export const DEFAULT_POLICY: GatePolicy = {
  kind: 'conservative',
  aggregatedSrTypes: ['linstor', 'resync-monitor'],
  leaseMs: 90_000,
  clockSkewMs: 60_000,
  outsidePeers: [],
}

/** Marks an SR as aggregated where neither its type nor `clustered` says so. */
export const AGGREGATED_KEY = 'resync-monitor:aggregated'
