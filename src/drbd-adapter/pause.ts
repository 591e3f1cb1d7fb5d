import { setTimeout as sleep } from 'node:timers/promises'

/** Waits; not longer than until `signal` is aborted, which the caller then looks at. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal })
  } catch {
    // Aborted.
  }
}

/** Does `work` again and again, each time so long after the last, until `signal` is aborted. */
export async function every(ms: number, signal: AbortSignal, work: () => Promise<void> | void): Promise<void> {
  for (;;) {
    await pause(ms, signal)
    if (signal.aborted) return
    await work()
  }
}
