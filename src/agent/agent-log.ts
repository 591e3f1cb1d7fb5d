import type { Log } from '../platform/systemd/log.ts'
import type { TransitionKind } from '../sync-query/transition.ts'
import type { NotifierProblem } from '../xapi-notify/resync-notifier.ts'

/** The log codes of a host's daemon, each with its level, besides those of transitions. docs/TROUBLESHOOTING.md explains each. */
export const AGENT_LOG_LEVELS = {
  'source-silent': 'warning',
  'source-well': 'info',
  'source-misread': 'warning',
  'source-understood': 'info',
  'source-failed': 'error',
  'configuration-misread': 'warning',
  'mirror-memory': 'warning',
  'marks-file': 'error',
  'needs-restart': 'warning',
  socket: 'warning',
  'volume-plugin': 'warning',
  'reports-arrive': 'info',
  'reports-do-not-arrive': 'warning',
  order: 'info',
  'journal-broken': 'warning',
  'journal-unwritable': 'warning',
  refused: 'warning',
  bug: 'error',
} as const satisfies Record<NotifierProblem['code'], LogLevel> & Record<string, LogLevel>

type LogLevel = Parameters<Log>[0]['level']

type AgentLogCode = keyof typeof AGENT_LOG_LEVELS | TransitionKind

/** Writes to the log of the daemon. @param level if it differs from the usual level of the code */
export type AgentLog = (code: AgentLogCode, text: string, level?: LogLevel) => void

export function agentLog(log: Log): AgentLog {
  const levels: Readonly<Partial<Record<string, LogLevel>>> = AGENT_LOG_LEVELS
  // A transition is information, whichever it is.
  return (code, text, level = levels[code] ?? 'info') => log({ level, code, text })
}
