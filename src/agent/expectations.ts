import type { ExpectedMirror } from '../host-state/expected-mirrors.ts'

/** How patient one is with configurations that are just being written. Milliseconds. */
export interface ExpectationPace {
  /** A mirror that the configuration names no more, and that the kernel has never shown, is expected for so long. */
  readonly forgetAfterMs: number
  /** A mirror that the configuration begins to name is missed only after so long. */
  readonly missAfterMs: number
}

export const DEFAULT_EXPECTATION_PACE: ExpectationPace = { forgetAfterMs: 10 * 60_000, missAfterMs: 3_000 }

interface Expectation {
  readonly expected: ExpectedMirror
  /** When it began to be named; `null`: it was from the beginning. */
  readonly since: number | null
  /** Since when it is named no more; `null`: it is. */
  readonly vanishedAt: number | null
}

/**
 * What should be there, by what a configuration says now and has said.
 *
 * LINSTOR's satellite deletes all of its files when it starts and writes them again when its controller has told it what they
 * are, so after a boot, with nothing up, there is a time in which nothing is configured. And it writes a file before it brings
 * the resource up, so one that is new is most often up a moment later. Neither holds of what an SR chooses by name.
 */
export class Expectations {
  readonly #pace: ExpectationPace
  #all: ReadonlyMap<string, Expectation> = new Map()
  /** Something is named no more. While nothing is, a second costs no walk over thousands. */
  #hasVanished = false

  constructor(pace: ExpectationPace) {
    this.#pace = pace
  }

  /** All that is expected. */
  *all(): Generator<ExpectedMirror> {
    for (const { expected } of this.#all.values()) yield expected
  }

  has(mirror: string): boolean {
    return this.#all.has(mirror)
  }

  /**
   * Replaces what the configuration names.
   *
   * @param knewAll everything was named before, so that what is new now began to be just now
   * @param wasShown whether the kernel has ever shown it
   */
  replace(
    expected: readonly ExpectedMirror[],
    now: number,
    knewAll: boolean,
    wasShown: (mirror: string) => boolean,
  ): void {
    const all = new Map<string, Expectation>()
    for (const each of expected) {
      const since = knewAll && each.isChoice !== true ? now : null
      const before = this.#all.get(each.mirror)
      all.set(each.mirror, { expected: each, since: before === undefined ? since : before.since, vanishedAt: null })
    }
    for (const [mirror, before] of this.#all) {
      if (all.has(mirror) || before.expected.isChoice === true || wasShown(mirror)) continue
      all.set(mirror, { ...before, vanishedAt: before.vanishedAt ?? now })
    }
    this.#take(all)
  }

  /** Forgets what has been named no more for long enough. @returns whether there was any */
  forgetOld(now: number, wasShown: (mirror: string) => boolean): boolean {
    if (!this.#hasVanished) return false
    const kept = new Map<string, Expectation>()
    for (const [mirror, each] of this.#all) {
      const { vanishedAt } = each
      if (vanishedAt === null || (!wasShown(mirror) && !isOver(vanishedAt, this.#pace.forgetAfterMs, now))) {
        kept.set(mirror, each)
      }
    }
    const isNews = kept.size < this.#all.size
    if (isNews) this.#take(kept)
    return isNews
  }

  /** It is so new that it may be about to come up. */
  isEarly(mirror: string, now: number): boolean {
    const since = this.#all.get(mirror)?.since ?? null
    return since !== null && !isOver(since, this.#pace.missAfterMs, now)
  }

  #take(all: ReadonlyMap<string, Expectation>): void {
    this.#all = all
    this.#hasVanished = all.values().some(({ vanishedAt }) => vanishedAt !== null)
  }
}

/** By a clock that may be set: one that was set back must not make anything last for ever. */
function isOver(since: number, ms: number, now: number): boolean {
  return now < since || now - since >= ms
}
