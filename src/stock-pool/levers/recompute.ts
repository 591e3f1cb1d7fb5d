import type { Clock } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'

export interface RecomputeOptions {
  readonly client: XenApiClient
  readonly clock: Clock
  /** Refs of the hosts that are enabled and live, the best choice first. */
  readonly candidates: () => readonly string[]
  /** Called when every candidate has failed. */
  readonly failed: (error: unknown) => void
}

/** Just after the coordinator's start a call through a member took 13 s and failed. */
const CALL_TIMEOUT_MS = 3_000
/** More hosts are not tried: the refusal does not depend on the field. */
const MAX_TRIES = 3

/**
 * Makes an unmodified xapi compute `host.allowed_operations` of all hosts again: `Host.enable` of a host that is already enabled does it
 * if a clustered SR exists, and nothing else (xapi_host.ml:836-837). The toolstack refuses or allows calls whether it has been done or not;
 * only what clients see in the field lags. So nothing waits for it.
 */
export class Recompute {
  readonly #options: RecomputeOptions
  #running = false
  #isAgain = false
  #lastAtMs = Number.NEGATIVE_INFINITY

  constructor(options: RecomputeOptions) {
    this.#options = options
  }

  /** Computes soon. Calls while one computation runs cause one more after it. */
  trigger(): void {
    this.#isAgain = true
    if (!this.#running) void this.#run()
  }

  /** As `trigger`, but not more often than once in `everyMs`. */
  triggerAtMostEvery(everyMs: number): void {
    if (!this.#running && this.#options.clock.steadyNow() - this.#lastAtMs >= everyMs) this.trigger()
  }

  async #run(): Promise<void> {
    this.#running = true
    try {
      while (this.#isAgain) {
        this.#isAgain = false
        await this.#compute()
      }
    } finally {
      this.#running = false
    }
  }

  async #compute(): Promise<void> {
    const { client, clock, candidates, failed } = this.#options
    let problem: unknown = null
    for (const host of candidates().slice(0, MAX_TRIES)) {
      this.#lastAtMs = clock.steadyNow()
      try {
        await client.call('host.enable', [host], { timeoutMs: CALL_TIMEOUT_MS })
        return
      } catch (error) {
        problem = error
      }
    }
    if (problem !== null) failed(problem)
  }
}
