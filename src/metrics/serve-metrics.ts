import { messageOf, stackOf } from '../platform/errors.ts'
import { DAEMON_LOG_LEVELS, type Log, logWithLevels } from '../platform/systemd/log.ts'
import type { Clock } from '../platform/time/clock.ts'
import type { Exposition } from './exposition.ts'
import { MetricsServer } from './metrics-server.ts'

/** The address of a daemon's metrics, from its configuration. */
export interface MetricsAddress {
  readonly enabled: boolean
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
}

/**
 * Starts the metrics server of a daemon; `null`: it is disabled or cannot listen. A port in use is only logged: it must not stop the
 * daemon from its other work.
 */
export async function serveMetrics(
  { enabled, host, port }: MetricsAddress,
  parts: readonly Exposition[],
  clock: Clock,
  daemonLog: Log,
): Promise<MetricsServer | null> {
  if (!enabled) return null
  const log = logWithLevels(daemonLog, DAEMON_LOG_LEVELS)
  const onBug = (bug: unknown) => log('bug', stackOf(bug))
  const server = new MetricsServer({ parts, clock, onBug })
  try {
    const at = await server.listen({ host, port })
    log('metrics', `served at http://${at.host}:${at.port}/metrics`)
    return server
  } catch (error) {
    log('metrics-not-served', messageOf(error))
    return null
  }
}
