import { type OperationErrors, STORAGE_OPERATIONS } from '../pool/host-operation.ts'
import type { PoolSnapshot } from '../pool/pool-snapshot.ts'
import { ordinaryErrors, setErrors } from './ordinary-rules.ts'

/** The table of errors of each host, by ref; or the exception that xapi raises for every host instead. */
export type StockAnswer =
  | { readonly errors: ReadonlyMap<string, OperationErrors>; readonly exception?: never }
  | { readonly exception: string; readonly errors?: never }

/** `Xapi_globs.sr_health_check_task_label` (xapi_globs.ml:953): the label of the tasks that R12 looks at. */
export const HEALTH_CHECK_LABEL = 'SR Recovering'

/**
 * `valid_operations` of an unmodified xapi (xen-api e2ee48d688) for each host, by ref: the ordinary rules, then R12. R11, the
 * host-down rule, is omitted: as released it compares refs of host_metrics rows with refs of hosts, so it never finds a host that is
 * down (xapi_host_helpers.ml:136-145, xapi_clustering.ml:163-182).
 */
export function stockErrors(pool: PoolSnapshot): StockAnswer {
  const clustered = new Map(pool.srs.map(sr => [sr.ref, sr.clustered]))
  const pluggedSrs = pluggedSrsInStockOrder(pool)
  const dangling = pluggedSrs.find(sr => !clustered.has(sr))
  // Reading `clustered` of a PBD's SR that has no row raises for every host (db_cache_types.ml, Table.find).
  if (dangling !== undefined) {
    return { exception: `Db_exn.DBCache_NotFound("missing row","SR",${JSON.stringify(dangling)})` }
  }
  const healthChecks = pool.tasks.filter(task => task.nameLabel === HEALTH_CHECK_LABEL)
  const checkedSrs = new Set(healthChecks.map(task => task.nameDescription))
  const recovering = pluggedSrs.find(sr => clustered.get(sr) === true && checkedSrs.has(sr))
  const errors = pool.hosts.map((host): [string, OperationErrors] => {
    const table = ordinaryErrors(host, pool)
    if (recovering !== undefined) setErrors(table, STORAGE_OPERATIONS, ['CLUSTERED_SR_DEGRADED', recovering])
    return [host.ref, table]
  })
  return { errors: new Map(errors) }
}

/**
 * The SRs of attached PBDs in the order in which stock names them: PBDs by descending ref (helpers.ml:1532-1538); for an SR with
 * several PBDs the last position counts (`setify`, listext.ml:19-26).
 */
function pluggedSrsInStockOrder({ pbds }: PoolSnapshot): string[] {
  const srs = pbds
    .filter(pbd => pbd.currentlyAttached)
    .toSorted((a, b) => (a.ref < b.ref ? 1 : -1))
    .map(pbd => pbd.sr)
  return [...new Set(srs.toReversed())].toReversed()
}
