import { DAEMON_LOG_LEVELS, type Log, type LogLevel, type LogOf, logWithLevels } from '../platform/systemd/log.ts'
import type { TransitionKind } from '../sync-query/transition.ts'
import type { NotifierProblem } from '../xapi-notify/resync-notifier.ts'

/** The log codes of a host's daemon, each with its level. docs/TROUBLESHOOTING.md explains each. */
export const AGENT_LOG_LEVELS = {
  ...DAEMON_LOG_LEVELS,
  'resync-started': 'info',
  'resync-finished': 'info',
  degraded: 'info',
  recovered: 'info',
  unknown: 'info',
  stalled: 'info',
  paused: 'info',
  'source-silent': 'warning',
  'source-well': 'info',
  'source-misread': 'warning',
  'source-understood': 'info',
  'source-failed': 'error',
  'configuration-misread': 'warning',
  'mirror-memory': 'warning',
  'marks-file': 'error',
  socket: 'warning',
  'volume-plugin': 'warning',
  'reports-arrive': 'info',
  'reports-do-not-arrive': 'warning',
  order: 'info',
  'journal-broken': 'warning',
  'journal-unwritable': 'warning',
  refused: 'warning',
} as const satisfies Record<NotifierProblem['code'] | TransitionKind, LogLevel> & Record<string, LogLevel>

export type AgentLog = LogOf<keyof typeof AGENT_LOG_LEVELS>

export function agentLog(log: Log): AgentLog {
  return logWithLevels(log, AGENT_LOG_LEVELS)
}
