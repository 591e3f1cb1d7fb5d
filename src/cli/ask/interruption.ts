/** Ctrl-C and SIGTERM as an AbortSignal, for commands that run until they are interrupted. */
export interface Interruption {
  readonly signal: AbortSignal
  /** Removes the handlers: the signals end the process again. */
  end(): void
}

export function interruption(): Interruption {
  const controller = new AbortController()
  const interrupt = () => controller.abort()
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  return { signal: controller.signal, end: () => process.off('SIGINT', interrupt).off('SIGTERM', interrupt) }
}
