import { supervise } from './supervise.ts'

/** Something that is followed until it is told to stop. */
interface Follower {
  readonly stop: AbortController
  readonly done: Promise<void>
}

/**
 * What a daemon follows, by name.
 *
 * Invariant: of one name one source lives at a time. Another one under the same name begins when the one before has ended,
 * whoever asks for it and how often.
 */
export class Followers {
  readonly #followers = new Map<string, Follower>()

  /** Parameters as of `supervise`. What was followed under this name is stopped, and tells nothing more. */
  follow<Update>(
    name: string,
    source: (signal: AbortSignal) => AsyncIterable<Update>,
    take: (update: Update) => void,
    failed: (why: string) => void,
  ): void {
    const before = this.#followers.get(name)
    before?.stop.abort()
    const stop = new AbortController()
    const begin = async () => {
      await before?.done
      await supervise(source, take, failed, stop.signal)
    }
    this.#followers.set(name, { stop, done: begin() })
  }

  /** Stops everything, and waits until it has ended. */
  async close(): Promise<void> {
    const all = [...this.#followers.values()]
    for (const { stop } of all) stop.abort()
    await Promise.all(all.map(({ done }) => done))
  }
}
