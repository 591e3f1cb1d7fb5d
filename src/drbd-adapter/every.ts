import { pause } from '../platform/time/pause.ts'

/** Does `work` again and again, each time so long after the last, until `signal` is aborted. */
export async function every(ms: number, signal: AbortSignal, work: () => Promise<void> | void): Promise<void> {
  for (;;) {
    await pause(ms, signal)
    if (signal.aborted) return
    await work()
  }
}
