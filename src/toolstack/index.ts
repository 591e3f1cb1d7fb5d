import { EmbeddedPool, type PoolOptions } from './embedded-pool.ts'

export type { EmbeddedPool, PoolOptions } from './embedded-pool.ts'
export type { PluginCall } from './host-calls.ts'
export type { GoingDown, HostMachines, HostOperationGate } from './host-operations.ts'
export type { Timers } from './timers.ts'

/** A pool without hosts, not listening yet. */
export function createPool(options: PoolOptions): EmbeddedPool {
  return new EmbeddedPool(options)
}
