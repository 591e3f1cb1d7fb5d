import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'

/** Changes that a user may make at once, and how many a second come back. */
const MOST = 1_000
const PER_SECOND = 20

interface Account {
  readonly left: number
  readonly atMs: number
}

/**
 * How much users below pool-operator may change in a while. Whoever may log in may make tasks and touch objects, as in stock, and
 * each of that is sent to all who follow the class.
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
    const before = this.#accounts.get(user) ?? { left: MOST, atMs }
    const left = Math.min(before.left + ((atMs - before.atMs) * PER_SECOND) / 1000, MOST)
    this.#accounts.set(user, { left: left < 1 ? left : left - 1, atMs })
    if (left < 1) throw new ApiFailure('TOO_BUSY')
  }
}
