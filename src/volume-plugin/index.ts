/** The agent's socket: what this host can be asked, and how to ask it; the toolstack's storage plugin is one of those who do. */
export { AgentClient, AgentUnreachable } from './agent-client.ts'
export type { SyncAnswers } from './agent-methods.ts'
export type {
  CanRebootAnswer,
  GateAnswer,
  GateHostAnswer,
  GateReasonAnswer,
  MirrorAnswer,
  MirrorsAnswer,
  Named,
  OverrideAnswer,
  UnwatchedAnswer,
} from './agent-protocol.ts'
export { AgentSocket } from './agent-socket.ts'
export { isCanRebootAnswer, isGateAnswer } from './gate-answer-shape.ts'
export { formatHosts, parseHosts } from './host-names.ts'
export { type OverrideRequest, type PoolAnswers, PoolRefusal } from './pool-methods.ts'
export type { PresentMirrors } from './probe.ts'
export type { HostKnowledge } from './sr-calls.ts'
export type { SrWatch } from './sr-configuration.ts'
export type { PoolState } from './sr-health.ts'
export { SyncEvents } from './sync-events.ts'
export { VolumePlugin } from './volume-plugin.ts'
export { ASKED_BY_AGENT } from './xapi-plugin.ts'
