export type LogLevel = 'info' | 'warning' | 'error'

/** One log line of a daemon. `code` is short and stable, `text` is a sentence. */
interface LogEntry {
  readonly level: LogLevel
  readonly code: string
  readonly text: string
}

export type Log = (entry: LogEntry) => void

/** The log codes of every daemon, each with its level. A daemon's own list contains them. docs/TROUBLESHOOTING.md explains each. */
export const DAEMON_LOG_LEVELS = {
  started: 'info',
  reloaded: 'info',
  stopped: 'info',
  'cannot-start': 'error',
  'configuration-refused': 'error',
  'reload-failed': 'error',
  'needs-restart': 'warning',
  'service-manager': 'warning',
  metrics: 'info',
  'metrics-not-served': 'error',
  bug: 'error',
} as const satisfies Record<string, LogLevel>

/** Writes to the log. @param level if it differs from the usual level of the code */
export type LogOf<Code extends string> = (code: Code, text: string, level?: LogLevel) => void

/** A log with the codes and levels of a list. */
export function logWithLevels<Code extends string>(log: Log, levels: Readonly<Record<Code, LogLevel>>): LogOf<Code> {
  return (code, text, level = levels[code]) => log({ level, code, text })
}
