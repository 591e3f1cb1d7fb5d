import type { Timers } from '../waiting/index.ts'
import { ApiFailure } from './api-failure.ts'

/** Failed logins since the last time that they were told. */
export interface FailedLogins {
  readonly count: number
  /** Whom the last of them claimed to be, as it was said: anything may stand there. */
  readonly user: string
}

export interface LoginBrakeOptions {
  readonly timers: Timers
  /** From a wrong password to its answer. Stock lets its client wait as well (xapi_session.ml thread_delay_and_raise_error). */
  readonly delayMs: number
  /** Wrong passwords whose answers are waited for at once. */
  readonly maxUnderWay: number
  /** Told of the first one at once, and of later ones together. */
  readonly tellEveryMs: number
  readonly onFailed: (failed: FailedLogins) => void
}

/**
 * Keeps passwords from being tried by the thousand, and says that they are tried.
 *
 * Invariant: what is tried while too many wait for their answers is not looked at. To answer a wrong one at once would tell
 * all that the delay hides. A client that does not wait for its answer keeps its place until the delay is over.
 */
export class LoginBrake {
  readonly #options: LoginBrakeOptions
  #underWay = 0
  #untold = 0
  #lastUser = ''
  #cancelTelling: (() => void) | null = null

  constructor(options: LoginBrakeOptions) {
    this.#options = options
  }

  /** @throws ApiFailure TOO_BUSY */
  assertRoom(user: string): void {
    if (this.#underWay < this.#options.maxUnderWay) return
    this.#note(user)
    throw new ApiFailure('TOO_BUSY')
  }

  /** The password was wrong. @returns when that may be answered */
  async failed(user: string): Promise<void> {
    this.#note(user)
    const { timers, delayMs } = this.#options
    if (delayMs === 0) return
    this.#underWay += 1
    await new Promise<void>(resolve => timers.after(delayMs, resolve))
    this.#underWay -= 1
  }

  close(): void {
    this.#cancelTelling?.()
    this.#cancelTelling = null
    this.#tell()
  }

  #note(user: string): void {
    this.#untold += 1
    this.#lastUser = user
    if (this.#cancelTelling !== null) return
    this.#tell()
    this.#armTelling()
  }

  #armTelling(): void {
    this.#cancelTelling = this.#options.timers.after(this.#options.tellEveryMs, () => {
      this.#cancelTelling = null
      if (this.#untold === 0) return
      this.#tell()
      this.#armTelling()
    })
  }

  #tell(): void {
    if (this.#untold === 0) return
    const failed = { count: this.#untold, user: this.#lastUser }
    this.#untold = 0
    this.#options.onFailed(failed)
  }
}
