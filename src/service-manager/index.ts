/** What a daemon of this project owes to whoever runs it: readiness, a watchdog, and a log. */
export type { Log } from './log.ts'
export { ServiceManager } from './service-manager.ts'
