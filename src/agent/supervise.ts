import { messageOf } from '../platform/errors.ts'
import { type Backoff, RestartBackoff } from '../platform/time/backoff.ts'
import { pause } from '../platform/time/pause.ts'

const DEFAULT_BACKOFF: Backoff = { firstRetryMs: 500, lastRetryMs: 30_000 }
/** A source that lived this long was well: the next failure is a new one. */
const HEALTHY_AFTER_MS = 60_000

/**
 * Takes what a source tells, for as long as `signal` lets it. Sources of this program end only when they are told to; one
 * that ends or throws all the same is begun anew, and until it speaks again nothing is known.
 *
 * @param failed told in a few words how it ended, before it is begun anew
 */
export async function supervise<Update>(
  source: (signal: AbortSignal) => AsyncIterable<Update>,
  take: (update: Update) => void,
  failed: (why: string) => void,
  signal: AbortSignal,
  backoff: Backoff = DEFAULT_BACKOFF,
): Promise<void> {
  const restarts = new RestartBackoff(backoff, HEALTHY_AFTER_MS)
  while (!signal.aborted) {
    const startedAt = performance.now()
    try {
      for await (const update of source(signal)) {
        if (signal.aborted) return
        take(update)
      }
      if (signal.aborted) return
      failed('it ended')
    } catch (error) {
      if (signal.aborted) return
      failed(messageOf(error))
    }
    await pause(restarts.delayMs(performance.now() - startedAt), signal)
  }
}
