/** What Prometheus is told of a host, of a pool's gate and of a process, and the server that tells it. */
export { type AgentLook, AgentMetrics } from './agent-metrics.ts'
export { GateMetrics } from './gate-metrics.ts'
export { MetricsServer } from './metrics-server.ts'
export { ProcessMetrics } from './process-metrics.ts'
export { serveMetrics } from './serve-metrics.ts'
