import { setTimeout as sleep } from 'node:timers/promises'

/** Lets `ms` pass, or ends at once when `signal` is aborted, which the caller then looks at. It keeps the process alive. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return pass(ms, signal, true)
}

/** As `pause`, and does not keep the process alive. */
export function rest(ms: number, signal?: AbortSignal): Promise<void> {
  return pass(ms, signal, false)
}

async function pass(ms: number, signal: AbortSignal | undefined, ref: boolean): Promise<void> {
  try {
    await sleep(ms, undefined, { ref, ...(signal === undefined ? {} : { signal }) })
  } catch {
    // Woken early: that is what the signal is for.
  }
}
