import { type Reason, reason } from '../sync-query/reason.ts'

export const BACKENDS = ['drbd', 'md'] as const
export type Backend = (typeof BACKENDS)[number]

/**
 * How far one backend of this host can be trusted to have told of everything: its source must have read all there is, and
 * its configuration must have been read, or what is missing could not be missed.
 */
export class BackendView {
  #doubt: string | null = 'not everything has been read yet'
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
    return this.#doubt === null
  }

  /** Why there may be more mirrors than were told of; `null`: there are none. */
  get sourceDoubt(): string | null {
    return this.#doubt
  }

  /** Why an SR with mirrors of this backend cannot be judged. */
  get doubt(): Reason | null {
    const word = this.#doubt ?? this.#configurationDoubt
    return word === null ? this.#memoryDoubt : reason('source-silent', '*', { word })
  }
}
