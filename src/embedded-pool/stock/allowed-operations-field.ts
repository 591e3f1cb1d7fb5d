import { allowedOperations } from '../../allowed-operations/decide.ts'
import type { HostOperation, OperationErrors } from '../../allowed-operations/pool/host-operation.ts'
import type { PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import { stockErrors } from '../../allowed-operations/rules/stock-rules.ts'
import { CallFailure, handleInvalid } from '../calls/api-failure.ts'
import type { Database } from '../database/database.ts'
import { StockFailure } from './stock-failure.ts'

/**
 * host.allowed_operations as stock xapi stores it: nothing computes it on reading, so it is stale until one of the calls that
 * recompute it. The check of a call uses the present state (xapi_host_helpers.ml:177-210).
 */
export class AllowedOperationsField {
  readonly #db: Database
  readonly #snapshot: () => PoolSnapshot

  constructor(db: Database, snapshot: () => PoolSnapshot) {
    this.#db = db
    this.#snapshot = snapshot
  }

  /** `assert_operation_valid`. @throws StockFailure the error of the first rule that blocks the operation */
  assertValid(hostRef: string, operation: HostOperation): void {
    const error = tableOf(this.#snapshot(), hostRef)[operation]
    if (error !== null) throw new StockFailure(error)
  }

  /** `update_allowed_operations`. It writes the field also if the value is the same. */
  update(hostRef: string): void {
    const pool = this.#snapshot()
    const table = tableOf(pool, hostRef)
    const allowed_operations = [...allowedOperations(operation => table[operation] === null, pool)]
    this.#db.update('host', hostRef, { allowed_operations })
  }

  /** `update_allowed_operations_all_hosts`. */
  updateAll(): void {
    for (const [ref] of this.#db.list('host')) this.update(ref)
  }

  /** The end of `with_host_operation` (:237-248): all hosts if any SR is clustered, plugged or not. It ignores failures. */
  updateAfterOperation(hostRef: string): void {
    try {
      if (this.#db.list('SR').some(([, sr]) => sr.clustered)) this.updateAll()
      else this.update(hostRef)
    } catch (failure) {
      if (!(failure instanceof CallFailure)) throw failure
    }
  }
}

function tableOf(pool: PoolSnapshot, hostRef: string): OperationErrors {
  const { errors, exception } = stockErrors(pool)
  if (exception !== undefined) throw new StockFailure(['INTERNAL_ERROR', exception])
  const table = errors.get(hostRef)
  if (table === undefined) throw handleInvalid('host', hostRef)
  return table
}
