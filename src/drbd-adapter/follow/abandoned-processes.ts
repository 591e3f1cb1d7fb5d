/** Maximum number of processes that may hang in the kernel. Another process would hang as well. */
const MAX_ABANDONED = 2

/**
 * Counts runs of drbdsetup that could not be killed. A process that waits in the kernel (state D) ignores all signals, including
 * SIGKILL, and ends when the kernel releases it. Nothing waits for these processes. While there are `MAX_ABANDONED` of them no
 * other drbdsetup is started.
 */
export class AbandonedProcesses {
  #count = 0
  readonly #waiting = new Set<() => void>()

  get isFull(): boolean {
    return this.#count >= MAX_ABANDONED
  }

  /** @param gone settles when the process has ended */
  add(gone: Promise<void>): void {
    this.#count += 1
    void gone.then(() => {
      this.#count -= 1
      for (const wake of this.#waiting) wake()
    })
  }

  /** Waits until another process may be started, or until `signal` aborts. */
  async waitForSlot(signal: AbortSignal): Promise<void> {
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
