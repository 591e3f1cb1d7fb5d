import { type MarksChange, OwedMarks } from './owed-marks.ts'
import type { PairMarks } from './pair-marks.ts'

/** The marks of one mirror, as they are written down. */
export interface MirrorMarks {
  readonly mirror: string
  readonly pairs: readonly Readonly<PairMarks>[]
}

/** As many as a host can have (Events2State): volumes that come and go must not fill the memory. */
const MAX_MIRRORS = 65_536

/**
 * The marks of all mirrors of this host, by name: they outlive the mirror's absence from the kernel, and through a file (see
 * `version`) this program and a reboot.
 *
 * Invariant: it holds no mirror without marks, so it costs what is out of sync and not what is mirrored.
 */
export class MarksMemory {
  readonly #marks = new Map<string, OwedMarks>()
  #factsVersion = 0
  #amountsVersion = 0

  constructor(remembered: readonly MirrorMarks[] = []) {
    for (const { mirror, pairs } of remembered) if (pairs.length > 0) this.#marks.set(mirror, new OwedMarks(pairs))
  }

  /** Counts what must be written down soon, and the mere amounts. */
  get version(): { readonly facts: number; readonly amounts: number } {
    return { facts: this.#factsVersion, amounts: this.#amountsVersion }
  }

  /** `null`: there is nothing to remember of that mirror. */
  of(mirror: string): OwedMarks | null {
    return this.#marks.get(mirror) ?? null
  }

  begin(mirror: string): OwedMarks {
    // The oldest may be of a volume that was removed long ago.
    const [oldest] = this.#marks.size >= MAX_MIRRORS ? this.#marks.keys() : []
    if (oldest !== undefined) this.#marks.delete(oldest)
    const marks = new OwedMarks()
    this.#marks.set(mirror, marks)
    return marks
  }

  /** Takes note of what a look changed. @returns `null` if nothing is left to remember */
  settle(mirror: string, marks: OwedMarks, change: MarksChange): OwedMarks | null {
    if (change === 'facts') this.#factsVersion += 1
    else if (change === 'amounts') this.#amountsVersion += 1
    if (!marks.isEmpty) return marks
    this.#marks.delete(mirror)
    return null
  }

  *all(): Generator<MirrorMarks> {
    for (const [mirror, marks] of this.#marks) yield { mirror, pairs: marks.pairs() }
  }
}
