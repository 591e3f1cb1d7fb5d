import { messageOf } from '../../platform/errors.ts'
import { type Backoff, RestartBackoff } from '../../platform/time/backoff.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'

/** A stream of updates that is restarted whenever it ends. */
export interface Followed<Update> {
  readonly name: string
  /** Starts the stream. It ends when the signal aborts. */
  readonly source: (signal: AbortSignal) => AsyncIterable<Update>
  readonly take: (update: Update) => void
  /** The stream has ended by itself and is about to be restarted. @param why in a few words */
  readonly failed: (why: string) => void
}

interface Running {
  readonly stop: AbortController
  readonly done: Promise<void>
}

const BACKOFF: Backoff = { firstRetryMs: 500, lastRetryMs: 30_000 }
/** A stream that ran for this long was healthy: the next failure is the first one. */
const HEALTHY_AFTER_MS = 60_000

/**
 * Follows streams, each under a name.
 *
 * Invariant: of each name only one stream runs at a time. A new one starts when the previous one has ended, whoever asks for it and
 * how often.
 */
export class Followers {
  readonly #clock: Clock
  readonly #running = new Map<string, Running>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Follows a stream in place of the one with the same name, whose updates are no longer taken. */
  follow<Update>(followed: Followed<Update>): void {
    const before = this.#running.get(followed.name)
    before?.stop.abort()
    const stop = new AbortController()
    const start = async () => {
      await before?.done
      await this.#keepFollowing(followed, stop.signal)
    }
    this.#running.set(followed.name, { stop, done: start() })
  }

  /** Stops all streams, and waits until they have ended. */
  async close(): Promise<void> {
    const all = [...this.#running.values()]
    for (const { stop } of all) stop.abort()
    await Promise.all(all.map(({ done }) => done))
  }

  async #keepFollowing<Update>({ source, take, failed }: Followed<Update>, signal: AbortSignal): Promise<void> {
    const restarts = new RestartBackoff(BACKOFF, HEALTHY_AFTER_MS)
    while (!signal.aborted) {
      const startedAt = this.#clock.steadyNow()
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
      await sleep(this.#clock, restarts.delayMs(this.#clock.steadyNow() - startedAt), signal)
    }
  }
}
