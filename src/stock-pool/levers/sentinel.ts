import type { PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'

/** The type of the SR that this project's volume plugin offers for the guard: no volumes, `clustered`. */
export const SENTINEL_TYPE = 'resync-monitor'

/** Refs of the sentinel SRs. One is enough. */
export function sentinels({ srs }: Pick<PoolSnapshot, 'srs'>): readonly string[] {
  return srs.flatMap(({ ref, type, clustered }) => (type === SENTINEL_TYPE && clustered ? [ref] : []))
}

/** Refs of the sentinel SRs that are plugged on some host: only their task blocks. */
export function pluggedSentinels(pool: Pick<PoolSnapshot, 'srs' | 'pbds'>): readonly string[] {
  const plugged = new Set(pool.pbds.flatMap(({ sr, currentlyAttached }) => (currentlyAttached ? [sr] : [])))
  return sentinels(pool).filter(ref => plugged.has(ref))
}
