export type { Timers } from '../waiting/index.ts'
export { type Cause, describeCause } from './cause.ts'
export { DecisionLog, type DecisionLogOptions } from './decision-log.ts'
export { type GateVerdicts, type OperationsChange, Updater, type UpdaterOptions } from './updater.ts'
