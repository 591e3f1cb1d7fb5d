import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'

/** The number of changes that a user may make in a burst, and how many it regains per second. */
const MAX_BURST = 1_000
const PER_SECOND = 20

interface Account {
  readonly left: number
  readonly atMs: number
}

/**
 * Limits how often users below pool-operator change the database (a token bucket per user). As in stock xapi, every user may create
 * tasks and touch objects, and each such change is sent to every client that follows the class.
 */
export class ChangeAllowance {
  readonly #clock: Pick<Clock, 'steadyNow'>
  readonly #accounts = new Map<string, Account>()

  constructor(clock: Pick<Clock, 'steadyNow'>) {
    this.#clock = clock
  }

  /** @throws ApiFailure TOO_BUSY */
  spend(user: string): void {
    const atMs = this.#clock.steadyNow()
    const before = this.#accounts.get(user) ?? { left: MAX_BURST, atMs }
    const left = Math.min(before.left + ((atMs - before.atMs) * PER_SECOND) / 1000, MAX_BURST)
    this.#accounts.set(user, { left: left < 1 ? left : left - 1, atMs })
    if (left < 1) throw new ApiFailure('TOO_BUSY')
  }
}
