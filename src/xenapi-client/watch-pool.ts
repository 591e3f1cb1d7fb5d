import { type Backoff, backoffMs } from '../platform/time/backoff.ts'
import { type Clock, sleep } from '../platform/time/clock.ts'
import type { XenApiClient } from './client.ts'
import { XenApiError, XenApiUnreachable } from './errors.ts'
import { type FollowOptions, followPool, type PoolChanges } from './events.ts'

interface WatchOptions extends FollowOptions, Partial<Backoff> {
  readonly clock: Clock
}

/** The toolstack does not answer. What is known about the pool may be wrong until changes with `everything` arrive. */
interface PoolLost {
  /** Why, as a sentence for people. */
  readonly lost: string
}

const DEFAULT_BACKOFF: Backoff = { firstRetryMs: 500, lastRetryMs: 30_000 }

/**
 * Follows the objects of some classes through every outage of the toolstack, until `signal` aborts: yields one `lost` when the toolstack
 * stops answering (or does not answer at first), and everything again when it is back.
 */
export async function* watchPool(
  client: XenApiClient,
  classes: readonly string[],
  options: WatchOptions,
): AsyncGenerator<PoolChanges | PoolLost, void> {
  const backoff = { ...DEFAULT_BACKOFF, ...options }
  const ended = () => options.signal?.aborted === true
  let failures = 0
  while (!ended()) {
    try {
      for await (const changes of followPool(client, classes, options)) {
        failures = 0
        yield changes
      }
    } catch (error) {
      if (ended()) return
      if (!(error instanceof XenApiError) && !(error instanceof XenApiUnreachable)) throw error
      failures += 1
      if (failures === 1) yield { lost: error.message }
      await sleep(options.clock, backoffMs(backoff, failures), options.signal)
    }
  }
}
