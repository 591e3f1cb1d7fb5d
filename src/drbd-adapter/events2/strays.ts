/** So many may wait in the kernel; another one would wait with them. */
const MAX_STRAYS = 2

/**
 * Runs of drbdsetup that were given up: one that waits in the kernel (state D) takes no signal, not even SIGKILL, and ends when
 * the kernel lets it. Nobody waits for them, and while there are `MAX_STRAYS` of them no other is started.
 */
export class Strays {
  #count = 0
  readonly #waiting = new Set<() => void>()

  get isFull(): boolean {
    return this.#count >= MAX_STRAYS
  }

  /** @param gone settles when it has ended after all */
  add(gone: Promise<void>): void {
    this.#count += 1
    void gone.then(() => {
      this.#count -= 1
      for (const wake of this.#waiting) wake()
    })
  }

  /** Waits until another one may be started, or `signal` is aborted. */
  async room(signal: AbortSignal): Promise<void> {
    if (!this.isFull || signal.aborted) return
    await new Promise<void>(resolve => {
      const wake = () => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake)
    })
  }
}
