/** One log line of a daemon. `code` is short and stable, `text` is a sentence. */
interface LogEntry {
  readonly level: 'info' | 'warning' | 'error'
  readonly code: string
  readonly text: string
}

export type Log = (entry: LogEntry) => void
