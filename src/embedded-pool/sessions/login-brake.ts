import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'

/** Failed logins since the last report. */
export interface FailedLogins {
  readonly count: number
  /** The user name of the last one, as the client sent it: it may be any text. */
  readonly user: string
  /** The address of the last one. */
  readonly address: string
}

export interface LoginBrakeOptions {
  readonly clock: Clock
  /** Delay of the answer to a wrong password. Stock xapi delays it too (xapi_session.ml thread_delay_and_raise_error). */
  readonly delayMs: number
  /** Wrong passwords of one address whose answers are pending. */
  readonly maxUnderWay: number
  /** The first failure is reported at once, later ones together. */
  readonly reportEveryMs: number
  readonly onFailed: (failed: FailedLogins) => void
}

/** Pending wrong passwords of all addresses: each has a timer. Beyond this limit an address may have one. */
const MAX_UNDER_WAY = 10_000

/**
 * Slows down an address that sends wrong passwords, and reports it. Other addresses are not affected.
 *
 * Invariant: while too many wrong passwords of an address wait for their answers, its passwords are not checked: an immediate answer
 * would reveal a wrong password without the delay. A client that disconnects keeps its place until the delay is over.
 */
export class LoginBrake {
  readonly #options: LoginBrakeOptions
  /** By address. */
  readonly #underWay = new Map<string, number>()
  #allUnderWay = 0
  #unreported = 0
  #last = { user: '', address: '' }
  #cancelReport: (() => void) | null = null

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

  /** Records a wrong password. Resolves when it may be answered. */
  async failed(user: string, address: string): Promise<void> {
    this.#note(user, address)
    const { clock, delayMs } = this.#options
    if (delayMs === 0) return
    this.#count(address, 1)
    await new Promise<void>(resolve => clock.after(delayMs, resolve))
    this.#count(address, -1)
  }

  close(): void {
    this.#cancelReport?.()
    this.#cancelReport = null
    this.#report()
  }

  #count(address: string, change: 1 | -1): void {
    this.#allUnderWay += change
    const ofAddress = (this.#underWay.get(address) ?? 0) + change
    if (ofAddress === 0) this.#underWay.delete(address)
    else this.#underWay.set(address, ofAddress)
  }

  #note(user: string, address: string): void {
    this.#unreported += 1
    this.#last = { user, address }
    if (this.#cancelReport !== null) return
    this.#report()
    this.#armReport()
  }

  #armReport(): void {
    this.#cancelReport = this.#options.clock.after(this.#options.reportEveryMs, () => {
      this.#cancelReport = null
      if (this.#unreported === 0) return
      this.#report()
      this.#armReport()
    })
  }

  #report(): void {
    if (this.#unreported === 0) return
    const failed = { count: this.#unreported, ...this.#last }
    this.#unreported = 0
    this.#options.onFailed(failed)
  }
}
