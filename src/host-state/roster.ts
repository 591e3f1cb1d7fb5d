import { isDeepStrictEqual } from 'node:util'
import type { ExpectedMirror } from '../sync-query/backend.ts'
import { DEFAULT_EXPECTATION_PACE, type ExpectationPace, Expectations } from './expectations.ts'

/** What `settle` finds: mirrors that are newly missed, and mirrors that are no longer missed. */
export interface RosterChange {
  readonly missed: readonly ExpectedMirror[]
  readonly notMissed: readonly string[]
}

/**
 * The mirrors of one backend that the kernel shows, and those that it should show. After a boot, with the module not loaded or
 * the resources not brought up, the kernel shows nothing at all, and that must not mean that there is nothing to sync.
 *
 * Invariants: no two expected mirrors have the same name; `#absent` holds exactly the expected mirrors of which no name is shown;
 * `#missed` holds those of them that `settle` has returned, in that form. So the cost of a mirror that appears or disappears does
 * not depend on how many there are.
 */
export class Roster {
  readonly #namesOf = new Map<string, readonly string[]>()
  /** How many shown mirrors have a name. */
  readonly #shown = new Map<string, number>()
  readonly #expectedBy = new Map<string, ExpectedMirror[]>()
  readonly #absent = new Set<ExpectedMirror>()
  readonly #missed = new Map<string, ExpectedMirror>()
  #notMissed: string[] = []
  readonly #expectations: Expectations
  /** Expected mirrors that the kernel has shown since they are expected. */
  readonly #everShown = new Set<string>()
  readonly #wasShown = (mirror: string) => this.#everShown.has(mirror)

  constructor(pace: ExpectationPace = DEFAULT_EXPECTATION_PACE) {
    this.#expectations = new Expectations(pace)
  }

  /** Replaces the expected mirrors. @param knewAll as in `Expectations.replace` */
  expect(expected: readonly ExpectedMirror[], now: number, knewAll: boolean): void {
    this.#expectations.replace(expected, now, knewAll, this.#wasShown)
    this.#compare()
  }

  /** Forgets expected mirrors whose grace period is over. */
  forgetOld(now: number): void {
    if (this.#expectations.forgetOld(now, this.#wasShown)) this.#compare()
  }

  /** The names of the mirrors that the kernel shows. */
  shown(): IterableIterator<string> {
    return this.#namesOf.keys()
  }

  /** The kernel shows a mirror. */
  add(mirror: string, names: readonly string[]): void {
    if (this.#namesOf.has(mirror)) return
    this.#namesOf.set(mirror, names)
    for (const name of names) this.#shown.set(name, (this.#shown.get(name) ?? 0) + 1)
    this.#updateByNames(names)
  }

  /** The kernel no longer shows a mirror. */
  remove(mirror: string): void {
    const names = this.#namesOf.get(mirror) ?? []
    this.#namesOf.delete(mirror)
    for (const name of names) {
      const left = (this.#shown.get(name) ?? 1) - 1
      if (left === 0) this.#shown.delete(name)
      else this.#shown.set(name, left)
    }
    this.#updateByNames(names)
  }

  /** Finds what is missed. @param whole the source has reported every mirror: only then can one be missing */
  settle(whole: boolean, now: number): RosterChange {
    const missed: ExpectedMirror[] = []
    if (whole && this.#absent.size !== this.#missed.size) {
      for (const expected of this.#absent) {
        if (this.#missed.has(expected.mirror) || this.#expectations.isEarly(expected.mirror, now)) continue
        this.#missed.set(expected.mirror, expected)
        missed.push(expected)
      }
    }
    const notMissed = this.#notMissed
    this.#notMissed = []
    return { missed, notMissed }
  }

  #compare(): void {
    this.#expectedBy.clear()
    this.#absent.clear()
    for (const mirror of this.#everShown) if (!this.#expectations.has(mirror)) this.#everShown.delete(mirror)
    for (const each of this.#expectations.all()) {
      for (const name of each.shownAs) {
        const sharing = this.#expectedBy.get(name)
        if (sharing === undefined) this.#expectedBy.set(name, [each])
        else sharing.push(each)
      }
      this.#update(each)
    }
    const absent = new Map(Array.from(this.#absent, each => [each.mirror, each]))
    for (const [mirror, missed] of this.#missed) {
      const now = absent.get(mirror)
      // With other names it may belong to other SRs, so it is missed anew.
      if (now === undefined || !isDeepStrictEqual(now, missed)) this.#found(mirror)
    }
  }

  #updateByNames(names: readonly string[]): void {
    for (const name of names) for (const expected of this.#expectedBy.get(name) ?? []) this.#update(expected)
  }

  #update(expected: ExpectedMirror): void {
    if (expected.shownAs.some(name => this.#shown.has(name))) {
      this.#absent.delete(expected)
      this.#everShown.add(expected.mirror)
      this.#found(expected.mirror)
    } else this.#absent.add(expected)
  }

  #found(mirror: string): void {
    // A mirror that the kernel shows under the name under which it was missed takes over its place.
    if (this.#missed.delete(mirror) && !this.#namesOf.has(mirror)) this.#notMissed.push(mirror)
  }
}
