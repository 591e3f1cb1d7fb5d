import type { WaitFacts } from './wait-facts.ts'

/** The exit codes of `wait`. Scripts depend on them. */
export const WAIT_EXIT = { reached: 0, timeout: 1, unknown: 2, needsOperator: 3, interrupted: 130 } as const

export interface WaitLimits {
  /** `null`: no limit. */
  readonly timeoutSeconds: number | null
  /** Gives up if the state is unknown for this time without a break. */
  readonly unknownAfterSeconds: number
  /**
   * Gives up if an operator is needed for this time without a break. While a host boots, its resources are not up for some seconds,
   * and nobody has to act.
   */
  readonly operatorAfterSeconds: number
}

/** Decides when a wait ends. */
export class WaitVerdict {
  readonly #limits: WaitLimits
  readonly #begunMs: number
  #unknownSinceMs: number | null = null
  #operatorSinceMs: number | null = null

  /** @param now milliseconds; of any clock that only goes forwards, the same in all calls */
  constructor(limits: WaitLimits, now: number) {
    this.#limits = limits
    this.#begunMs = now
  }

  /** The exit code after this poll; `null`: the wait continues. */
  take({ state, needsOperator }: Pick<WaitFacts, 'state' | 'needsOperator'>, now: number): number | null {
    const { timeoutSeconds, unknownAfterSeconds, operatorAfterSeconds } = this.#limits
    if (state === 'reached') return WAIT_EXIT.reached
    this.#unknownSinceMs = state === 'unknown' ? (this.#unknownSinceMs ?? now) : null
    this.#operatorSinceMs = needsOperator ? (this.#operatorSinceMs ?? now) : null
    const isOver = (sinceMs: number | null, seconds: number) => sinceMs !== null && now - sinceMs >= seconds * 1000
    // An unknown kernel value is unknown, too, but that somebody has to act says more.
    if (isOver(this.#operatorSinceMs, operatorAfterSeconds)) return WAIT_EXIT.needsOperator
    if (isOver(this.#unknownSinceMs, unknownAfterSeconds)) return WAIT_EXIT.unknown
    if (timeoutSeconds !== null && isOver(this.#begunMs, timeoutSeconds)) return WAIT_EXIT.timeout
    return null
  }

  /** Milliseconds until the timeout; `null`: there is none. */
  leftMs(now: number): number | null {
    const { timeoutSeconds } = this.#limits
    return timeoutSeconds === null ? null : Math.max(0, this.#begunMs + timeoutSeconds * 1000 - now)
  }
}
