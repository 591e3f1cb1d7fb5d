import { type Reason, reason } from '../sync-query/reason/reason.ts'

/**
 * Whether everything about one backend of this host is known: its source has reported every mirror, and its configuration was
 * read. Without the configuration a missing mirror could not be detected.
 */
export class BackendView {
  #doubt: string | null = 'not everything has been read yet'
  /** When the source last confirmed all states, by the steady clock. */
  #confirmedAt = Number.NEGATIVE_INFINITY
  /** As of the last update; `undefined`: there was none. */
  #wholeAt: number | null | undefined
  /** Why the reported states no longer count: nothing has confirmed them. */
  #silence: string | null = null
  #configurationDoubt: string | null = 'its configuration has not been read yet'
  readonly #memoryDoubt: Reason | null

  /** @param memoryDoubt why the memory of its mirrors could not be read; only a restart ends this doubt */
  constructor(memoryDoubt: Reason | null = null) {
    this.#memoryDoubt = memoryDoubt
  }

  /** @param doubt why the source may not have reported everything; `null`: it has */
  doubtSource(doubt: string | null): void {
    this.#doubt = doubt
  }

  /**
   * An update has arrived. It confirms the states only if the source has read everything since the previous one.
   *
   * @param wholeAt when the source last read everything, by its own clock
   */
  update(wholeAt: number | null, steadyMs: number): void {
    if (wholeAt === this.#wholeAt) return
    this.#wholeAt = wholeAt
    this.#confirmedAt = steadyMs
    this.#silence = null
  }

  /** Doubts states that the source has not confirmed for `afterMs`, for whatever reason. */
  expire(steadyMs: number, afterMs: number): void {
    if (steadyMs - this.#confirmedAt < afterMs) return
    this.#silence = `nothing has confirmed it for ${Math.round(afterMs / 1000)} s`
  }

  /** @param doubt why the configuration may contain more mirrors; `null`: all of it was read */
  doubtConfiguration(doubt: string | null): void {
    this.#configurationDoubt = doubt
  }

  /** The last reading of the configuration was complete. */
  get isConfigured(): boolean {
    return this.#configurationDoubt === null
  }

  /** The source has reported every mirror that exists. */
  get isWhole(): boolean {
    return this.sourceDoubt === null
  }

  /** Why there may be more mirrors than reported; `null`: there are not. */
  get sourceDoubt(): string | null {
    return this.#doubt ?? this.#silence
  }

  /** Why an SR with mirrors of this backend cannot be judged. */
  get doubt(): Reason | null {
    const word = this.sourceDoubt ?? this.#configurationDoubt
    return word === null ? this.#memoryDoubt : reason('source-silent', '*', { word })
  }
}
