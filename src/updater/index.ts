export type { PoolPort } from './pool-port.ts'
export { type OperationsChange, Updater, type UpdaterOptions } from './updater.ts'
