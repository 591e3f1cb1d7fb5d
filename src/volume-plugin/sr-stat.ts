import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { SrStat } from './smapi-methods.ts'
import { isSentinel, parseSrConfiguration } from './sr-configuration.ts'
import { healthOf, type PoolSrState, sentinelHealthOf } from './sr-health.ts'
import type { StoredSr } from './sr-store.ts'
import { uriOf } from './sr-uri.ts'

/** What the health of an SR depends on. */
export interface SrStatuses {
  /** The status of an SR on this host; `null`: the host does not watch that SR. */
  status(sr: string): SrStatus | null
  /** UUIDs of the SRs that the host watches. */
  srs(): readonly string[]
  /** The state of an SR in the whole pool; `null` on a host that is not the coordinator. */
  poolState(sr: string): PoolSrState | null
}

/** The answer of SR.stat. @throws SmapiError the configuration is not valid */
export function statOf(record: StoredSr, statuses: SrStatuses): SrStat {
  return statWith(record, srHealth(record.uuid, record.configuration, statuses))
}

/** The answer of SR.stat for an SR with this health. It holds no volumes. */
export function statWith(
  { uuid, name, description }: Pick<StoredSr, 'uuid' | 'name' | 'description'>,
  health: SrStat['health'],
): SrStat {
  return {
    sr: uriOf(uuid),
    name,
    uuid,
    description,
    total_space: 0,
    free_space: 0,
    datasources: [],
    clustered: true,
    health,
  }
}

/** @throws SmapiError the configuration is not valid */
export function srHealth(
  uuid: string,
  configuration: StoredSr['configuration'],
  statuses: SrStatuses,
): SrStat['health'] {
  const own = statuses.status(uuid)
  const pool = statuses.poolState(uuid)
  if (!isSentinel(parseSrConfiguration(uuid, configuration))) return healthOf(own, pool)
  const others = statuses.srs().flatMap(sr => {
    const status = sr === uuid ? null : statuses.status(sr)
    return status === null ? [] : [[sr, status] as const]
  })
  return sentinelHealthOf(own, others, pool)
}
