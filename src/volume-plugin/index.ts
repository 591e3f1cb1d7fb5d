/** The agent's socket: what this host can be asked, and how to ask it. */
export { AgentClient, AgentUnreachable } from './agent-client.ts'
export type { SyncAnswers } from './agent-methods.ts'
export { AgentSocket } from './agent-socket.ts'
