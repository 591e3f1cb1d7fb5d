/** Ctrl-C and SIGTERM as a signal, for commands that go on until somebody has seen enough. */
export interface Interruption {
  readonly signal: AbortSignal
  /** The process ends by these signals again. */
  end(): void
}

export function interruption(): Interruption {
  const controller = new AbortController()
  const interrupt = () => controller.abort()
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  return { signal: controller.signal, end: () => process.off('SIGINT', interrupt).off('SIGTERM', interrupt) }
}
