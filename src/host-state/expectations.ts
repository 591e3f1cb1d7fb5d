import type { ExpectedMirror } from '../sync-query/backend.ts'

/** Grace periods for configurations that are being written. Milliseconds. */
export interface ExpectationPace {
  /** A mirror that leaves the configuration, and that the kernel has never shown, stays expected for this long. */
  readonly forgetAfterMs: number
  /** A mirror that enters the configuration counts as missing only after this long. */
  readonly missAfterMs: number
}

export const DEFAULT_EXPECTATION_PACE: ExpectationPace = { forgetAfterMs: 10 * 60_000, missAfterMs: 3_000 }

interface Expectation {
  readonly expected: ExpectedMirror
  /** When it entered the configuration; `null`: it was there from the beginning. */
  readonly since: number | null
  /** When it left the configuration; `null`: it is in it. */
  readonly vanishedAt: number | null
}

/**
 * The mirrors that should exist, by the present configuration and by former ones.
 *
 * LINSTOR's satellite deletes all of its files when it starts, and writes them again when its controller has sent them. So after
 * a boot, with no resource up, there is a time in which nothing is configured. It also writes a file before it brings the
 * resource up, so a new resource is usually up a moment later. Neither applies to what an SR selects by name.
 */
export class Expectations {
  readonly #pace: ExpectationPace
  #all: ReadonlyMap<string, Expectation> = new Map()
  /** Some expected mirror has left the configuration. While none has, a tick walks over nothing. */
  #hasVanished = false

  constructor(pace: ExpectationPace) {
    this.#pace = pace
  }

  *all(): Generator<ExpectedMirror> {
    for (const { expected } of this.#all.values()) yield expected
  }

  has(mirror: string): boolean {
    return this.#all.has(mirror)
  }

  /**
   * Replaces the expected mirrors by those of the present configuration.
   *
   * @param knewAll the previous configuration was complete, so a new mirror has just entered it
   * @param wasShown whether the kernel has ever shown a mirror
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
    this.#replaceAll(all)
  }

  /** Forgets mirrors that left the configuration long enough ago. @returns whether there was one */
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
    if (isNews) this.#replaceAll(kept)
    return isNews
  }

  /** The mirror is so new in the configuration that it may come up in a moment. */
  isEarly(mirror: string, now: number): boolean {
    const since = this.#all.get(mirror)?.since ?? null
    return since !== null && !isOver(since, this.#pace.missAfterMs, now)
  }

  #replaceAll(all: ReadonlyMap<string, Expectation>): void {
    this.#all = all
    this.#hasVanished = all.values().some(({ vanishedAt }) => vanishedAt !== null)
  }
}

/** True also when the clock was set back: a period must not last for ever. */
function isOver(since: number, ms: number, now: number): boolean {
  return now < since || now - since >= ms
}
