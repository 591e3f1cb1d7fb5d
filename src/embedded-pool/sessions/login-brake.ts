import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'

/** Failed logins since the last time that they were reported. */
export interface FailedLogins {
  readonly count: number
  /** The user name of the last of them, as it was sent: it may be any text. */
  readonly user: string
  /** The machine that sent the last of them. */
  readonly address: string
}

export interface LoginBrakeOptions {
  readonly clock: Clock
  /** From a wrong password to its answer. Stock lets its client wait as well (xapi_session.ml thread_delay_and_raise_error). */
  readonly delayMs: number
  /** Wrong passwords of one address whose answers are waited for at once. */
  readonly maxUnderWay: number
  /** The first failure is reported at once, later ones together. */
  readonly reportEveryMs: number
  readonly onFailed: (failed: FailedLogins) => void
}

/** Wrong passwords of all addresses that wait: each is a timer. Beyond it an address may have one. */
const MAX_UNDER_WAY = 10_000

/**
 * Slows down an address that sends wrong passwords, and reports it. Other addresses are not affected.
 *
 * Invariant: while too many wrong passwords of an address wait for their answers, its passwords are not checked. To answer a wrong
 * one at once would reveal what the delay hides. A client that does not wait for its answer keeps its place until the delay is over.
 */
export class LoginBrake {
  readonly #options: LoginBrakeOptions
  /** By address. */
  readonly #underWay = new Map<string, number>()
  #allUnderWay = 0
  #untold = 0
  #last = { user: '', address: '' }
  #cancelTelling: (() => void) | null = null

  constructor(options: LoginBrakeOptions) {
    this.#options = options
  }

  /** @throws ApiFailure TOO_BUSY */
  assertRoom(user: string, address: string): void {
    const ofAddress = this.#underWay.get(address) ?? 0
    const most = this.#allUnderWay < MAX_UNDER_WAY ? this.#options.maxUnderWay : 1
    if (ofAddress < most) return
    this.#note(user, address)
    throw new ApiFailure('TOO_BUSY')
  }

  /** The password was wrong. @returns when that may be answered */
  async failed(user: string, address: string): Promise<void> {
    this.#note(user, address)
    const { clock, delayMs } = this.#options
    if (delayMs === 0) return
    this.#count(address, 1)
    await new Promise<void>(resolve => clock.after(delayMs, resolve))
    this.#count(address, -1)
  }

  close(): void {
    this.#cancelTelling?.()
    this.#cancelTelling = null
    this.#tell()
  }

  #count(address: string, change: 1 | -1): void {
    this.#allUnderWay += change
    const ofAddress = (this.#underWay.get(address) ?? 0) + change
    if (ofAddress === 0) this.#underWay.delete(address)
    else this.#underWay.set(address, ofAddress)
  }

  #note(user: string, address: string): void {
    this.#untold += 1
    this.#last = { user, address }
    if (this.#cancelTelling !== null) return
    this.#tell()
    this.#armTelling()
  }

  #armTelling(): void {
    this.#cancelTelling = this.#options.clock.after(this.#options.reportEveryMs, () => {
      this.#cancelTelling = null
      if (this.#untold === 0) return
      this.#tell()
      this.#armTelling()
    })
  }

  #tell(): void {
    if (this.#untold === 0) return
    const failed = { count: this.#untold, ...this.#last }
    this.#untold = 0
    this.#options.onFailed(failed)
  }
}
