/** Runs tasks one after the other, in the order in which they were added. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs the task when all before it have ended, whether they succeeded or not. Returns what the task returns, or rejects as it does. */
  run<Result>(task: () => Result | Promise<Result>): Promise<Result> {
    const running = this.#last.then(task)
    this.#last = running.catch(() => undefined)
    return running
  }

  /** Resolves when all tasks that were added before have ended. */
  async ended(): Promise<void> {
    await this.#last
  }
}

/** A serial queue for each key. Tasks of different keys run concurrently. */
export class KeyedSerialQueue {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Runs the task when all before it with the same key have ended, whether they succeeded or not. */
  async run<Result>(key: string, task: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(key) ?? Promise.resolve()
    const running = before.then(task, task)
    this.#last.set(key, running)
    try {
      return await running
    } finally {
      if (this.#last.get(key) === running) this.#last.delete(key)
    }
  }
}
