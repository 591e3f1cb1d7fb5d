/** The agent's socket: what this host can be asked, and how to ask it; the toolstack's storage plugin is one of those who do. */
export { AgentClient, AgentUnreachable } from './agent-client.ts'
export type { SyncAnswers } from './agent-methods.ts'
export { AgentSocket } from './agent-socket.ts'
export type { PresentMirrors } from './probe.ts'
export type { HostKnowledge } from './sr-calls.ts'
export type { SrWatch } from './sr-configuration.ts'
export type { PoolState } from './sr-health.ts'
export { VolumePlugin } from './volume-plugin.ts'
