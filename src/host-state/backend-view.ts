import { type Reason, reason } from '../sync-query/reason/reason.ts'

export const BACKENDS = ['drbd', 'md'] as const
export type Backend = (typeof BACKENDS)[number]

/**
 * How far one backend of this host can be trusted to have told of everything: its source must have read all there is, and
 * its configuration must have been read, or what is missing could not be missed.
 */
export class BackendView {
  #doubt: string | null = 'not everything has been read yet'
  /** When the source last confirmed the state of everything, by a steady clock. */
  #confirmedAt = Number.NEGATIVE_INFINITY
  #wholeAt: number | null | undefined
  /** Why what it has told counts no longer, since it is not confirmed. */
  #silence: string | null = null
  #configurationDoubt: string | null = 'its configuration has not been read yet'
  readonly #memoryDoubt: Reason | null

  /** @param memoryDoubt why what was remembered of its mirrors is not known; nothing but a new start lifts it */
  constructor(memoryDoubt: Reason | null = null) {
    this.#memoryDoubt = memoryDoubt
  }

  /** @param doubt what the source doubts; `null`: it has told of all there is */
  doubtSource(doubt: string | null): void {
    this.#doubt = doubt
  }

  /**
   * The source has said something, at a moment of a steady clock.
   *
   * @param wholeAt when it last read everything, by a clock of its own; `undefined`: it does not say
   */
  hear(wholeAt: number | null | undefined, steadyMs: number): void {
    if (wholeAt !== undefined && wholeAt === this.#wholeAt) return
    this.#wholeAt = wholeAt
    this.#confirmedAt = steadyMs
    this.#silence = null
  }

  /** Doubts what the source has not confirmed for `afterMs`, whatever keeps it from doing so. */
  expire(steadyMs: number, afterMs: number): void {
    if (steadyMs - this.#confirmedAt < afterMs) return
    this.#silence = `nothing has confirmed it for ${Math.round(afterMs / 1000)} s`
  }

  /** @param doubt `null`: all that is configured was read. Otherwise why there may be more, which could not be missed */
  doubtConfiguration(doubt: string | null): void {
    this.#configurationDoubt = doubt
  }

  /** All that is configured was read the last time. */
  get isConfigured(): boolean {
    return this.#configurationDoubt === null
  }

  /** The source has told of all there is. */
  get isWhole(): boolean {
    return this.sourceDoubt === null
  }

  /** Why there may be more mirrors than were told of; `null`: there are none. */
  get sourceDoubt(): string | null {
    return this.#doubt ?? this.#silence
  }

  /** Why an SR with mirrors of this backend cannot be judged. */
  get doubt(): Reason | null {
    const word = this.sourceDoubt ?? this.#configurationDoubt
    return word === null ? this.#memoryDoubt : reason('source-silent', '*', { word })
  }
}
