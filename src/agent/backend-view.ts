import { type Reason, reason } from '../sync-query/reason.ts'
import { Roster } from './roster.ts'

export const BACKENDS = ['drbd', 'md'] as const
export type Backend = (typeof BACKENDS)[number]

/**
 * How far one backend of this host can be trusted to have told of everything: its source must have read all there is, and
 * its configuration must have been read, or what is missing could not be missed.
 *
 * Invariant: `#untold` holds the mirrors that an earlier source told of and the present one has not (yet).
 */
export class BackendView {
  readonly roster = new Roster()
  #untold = new Set<string>()
  #configurationDoubt: string | null = 'its configuration has not been read yet'
  #doubt: string | null = 'not everything has been read yet'

  see(mirror: string, names: readonly string[]): void {
    this.#untold.delete(mirror)
    this.roster.see(mirror, names)
  }

  lose(mirror: string): void {
    this.#untold.delete(mirror)
    this.roster.lose(mirror)
  }

  /**
   * @param doubt what the source doubts; `null`: it has told of all there is
   * @returns the mirrors that are gone, for an earlier source told of them and this one did not
   */
  doubtSource(doubt: string | null): readonly string[] {
    this.#doubt = doubt
    if (doubt !== null || this.#untold.size === 0) return []
    const gone = [...this.#untold]
    this.#untold.clear()
    return gone
  }

  /** Another source will begin, which knows nothing of what was told. */
  loseSource(why: string): void {
    this.#doubt = why
    this.#untold = new Set(this.roster.shown())
  }

  /** @param doubt `null`: all that is configured was read. Otherwise why there may be more, which could not be missed */
  configurationWasRead(doubt: string | null): void {
    this.#configurationDoubt = doubt
  }

  get isWhole(): boolean {
    return this.#doubt === null
  }

  /** Why an SR with mirrors of this backend cannot be judged. */
  get doubt(): Reason | null {
    const word = this.#doubt ?? this.#configurationDoubt
    return word === null ? null : reason('source-silent', '*', { word })
  }
}
