/** The passing of time, in ways that can be ended. */
export { type Backoff, backoffMs } from './backoff.ts'
export { deadline } from './deadline.ts'
export { pause, rest } from './pause.ts'
export { machineTimers, type Timers } from './timers.ts'
