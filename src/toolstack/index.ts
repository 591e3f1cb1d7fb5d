import { EmbeddedPool } from './embedded-pool.ts'
import type { PoolOptions } from './pool-options.ts'

export type { Timers } from '../waiting/index.ts'
export type { EmbeddedPool } from './embedded-pool.ts'
export { forgottenKey, type Member } from './forgotten-members.ts'
export type { PluginCall } from './host-calls.ts'
export type { GoingDown } from './host-memory.ts'
export type { HostMachines, HostOperationGate } from './host-operations.ts'
export type { OrderEvent } from './order-words.ts'
export type { PoolOptions } from './pool-options.ts'
export type { RefusedCall } from './refused-call.ts'
export type { Role } from './roles.ts'
export { createSlaveEndpoint } from './slave-endpoint.ts'
export { StateFileError } from './state-file.ts'

/**
 * A pool, not listening yet: without hosts, or what its state file holds.
 * @throws StateFileError: there is a state file, and it cannot be used; or another process uses it
 */
export function createPool(options: PoolOptions): EmbeddedPool {
  return new EmbeddedPool(options)
}
