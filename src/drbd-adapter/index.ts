/** What DRBD says, in every form it says it, as volumes to be judged. */
export type { Events2Line } from './events2-line.ts'
export { Events2Reader } from './events2-reader.ts'
export { Events2State } from './events2-state.ts'
export { parseProcDrbd } from './parse-proc-drbd.ts'
export { parseStatusJson } from './parse-status-json.ts'
export { parseStatusText } from './parse-status-text.ts'
export type { DrbdSnapshot } from './snapshot.ts'
