import type { WaitFacts } from './wait-facts.ts'

/** How a wait ends; scripts go by these numbers. */
export const WAIT_EXIT = { reached: 0, timeout: 1, unknown: 2, needsOperator: 3, interrupted: 130 } as const

export interface WaitPatience {
  /** `null`: for ever. */
  readonly timeoutSeconds: number | null
  /** How long it may be unknown without a break. */
  readonly unknownAfterSeconds: number
  /**
   * How long only an operator could help, without a break: while a host boots, its resources are not up for some seconds,
   * and nobody has to do anything about it.
   */
  readonly operatorAfterSeconds: number
}

/** Decides when somebody who waits has waited enough. */
export class WaitVerdict {
  readonly #patience: WaitPatience
  readonly #begunMs: number
  #unknownSinceMs: number | null = null
  #operatorSinceMs: number | null = null

  /** @param now milliseconds; of any clock that only goes forwards, the same in all calls */
  constructor(patience: WaitPatience, now: number) {
    this.#patience = patience
    this.#begunMs = now
  }

  /** How the wait ends after this look; `null`: not yet. */
  take({ state, needsOperator }: Pick<WaitFacts, 'state' | 'needsOperator'>, now: number): number | null {
    const { timeoutSeconds, unknownAfterSeconds, operatorAfterSeconds } = this.#patience
    if (state === 'reached') return WAIT_EXIT.reached
    this.#unknownSinceMs = state === 'unknown' ? (this.#unknownSinceMs ?? now) : null
    this.#operatorSinceMs = needsOperator ? (this.#operatorSinceMs ?? now) : null
    const isOver = (sinceMs: number | null, seconds: number) => sinceMs !== null && now - sinceMs >= seconds * 1000
    // An unknown word of the kernel is unknown as well: that somebody must act says more.
    if (isOver(this.#operatorSinceMs, operatorAfterSeconds)) return WAIT_EXIT.needsOperator
    if (isOver(this.#unknownSinceMs, unknownAfterSeconds)) return WAIT_EXIT.unknown
    if (timeoutSeconds !== null && isOver(this.#begunMs, timeoutSeconds)) return WAIT_EXIT.timeout
    return null
  }

  /** Milliseconds until the time is over; `null`: never. */
  leftMs(now: number): number | null {
    const { timeoutSeconds } = this.#patience
    return timeoutSeconds === null ? null : Math.max(0, this.#begunMs + timeoutSeconds * 1000 - now)
  }
}
