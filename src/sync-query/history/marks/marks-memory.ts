import { type MarksChange, OwedMarks } from './owed-marks.ts'
import type { PairMarks } from './pair-marks.ts'

/** The marks of one mirror, as they are stored. */
export interface MirrorMarks {
  readonly mirror: string
  readonly pairs: readonly Readonly<PairMarks>[]
}

/** The most that a host can have (Events2State): volumes that come and go must not fill the memory. */
const MAX_MIRRORS = 65_536

/**
 * The marks of all mirrors of this host, by name. They survive the mirror's absence from the kernel and, through a file (see `version`),
 * restarts of this program and of the host.
 *
 * Invariant: it holds no mirror without marks, so its cost depends on what is out of sync, not on what is mirrored.
 */
export class MarksMemory {
  readonly #marks = new Map<string, OwedMarks>()
  #factsVersion = 0
  #amountsVersion = 0

  constructor(remembered: readonly MirrorMarks[] = []) {
    for (const { mirror, pairs } of remembered) if (pairs.length > 0) this.#marks.set(mirror, new OwedMarks(pairs))
  }

  /** Counters that rise with each change: of facts, which must be stored soon, and of amounts. */
  get version(): { readonly facts: number; readonly amounts: number } {
    return { facts: this.#factsVersion, amounts: this.#amountsVersion }
  }

  /** `null`: the mirror has no marks. */
  of(mirror: string): OwedMarks | null {
    return this.#marks.get(mirror) ?? null
  }

  begin(mirror: string): OwedMarks {
    // Drop the oldest: its volume may have been removed long ago.
    const [oldest] = this.#marks.size >= MAX_MIRRORS ? this.#marks.keys() : []
    if (oldest !== undefined) this.#marks.delete(oldest)
    const marks = new OwedMarks()
    this.#marks.set(mirror, marks)
    return marks
  }

  /** Counts the change by a reading. @returns `null` if no marks are left */
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
