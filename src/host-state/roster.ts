import { isDeepStrictEqual } from 'node:util'
import { DEFAULT_EXPECTATION_PACE, type ExpectationPace, Expectations } from '../agent/expectations.ts'
import type { ExpectedMirror } from './expected-mirrors.ts'

/** What is different after a step: mirrors to be told as missed, and those that are not missed any more. */
export interface RosterChange {
  readonly missed: readonly ExpectedMirror[]
  readonly notMissed: readonly string[]
}

/**
 * Which mirrors one backend shows, beside those that its configuration says it should show: after a boot, with the module
 * not loaded or the resource not brought up, the kernel says nothing at all, and that must not read as nothing to sync.
 *
 * Invariants: no two expected mirrors are called the same; `#absent` holds exactly those of which no name is shown; `#missed`
 * those of them that were told, as they were told. So a mirror that comes or goes costs the same however many there are.
 */
export class Roster {
  readonly #namesOf = new Map<string, readonly string[]>()
  /** How many shown mirrors go by a name. */
  readonly #shown = new Map<string, number>()
  readonly #expectedBy = new Map<string, ExpectedMirror[]>()
  readonly #absent = new Set<ExpectedMirror>()
  readonly #missed = new Map<string, ExpectedMirror>()
  #notMissed: string[] = []
  readonly #expectations: Expectations
  /** Expected mirrors that were shown since they are expected. */
  readonly #everShown = new Set<string>()
  readonly #wasShown = (mirror: string) => this.#everShown.has(mirror)

  constructor(pace: ExpectationPace = DEFAULT_EXPECTATION_PACE) {
    this.#expectations = new Expectations(pace)
  }

  /** Replaces what is expected. @param knewAll as of Expectations.replace */
  expect(expected: readonly ExpectedMirror[], now: number, knewAll: boolean): void {
    this.#expectations.replace(expected, now, knewAll, this.#wasShown)
    this.#compare()
  }

  /** Lets time pass. */
  forgetOld(now: number): void {
    if (this.#expectations.forgetOld(now, this.#wasShown)) this.#compare()
  }

  /** The mirrors that the kernel shows. */
  shown(): IterableIterator<string> {
    return this.#namesOf.keys()
  }

  /** The kernel shows a mirror. */
  see(mirror: string, names: readonly string[]): void {
    if (this.#namesOf.has(mirror)) return
    this.#namesOf.set(mirror, names)
    for (const name of names) this.#shown.set(name, (this.#shown.get(name) ?? 0) + 1)
    this.#placeAll(names)
  }

  /** The kernel shows a mirror no more. */
  lose(mirror: string): void {
    const names = this.#namesOf.get(mirror) ?? []
    this.#namesOf.delete(mirror)
    for (const name of names) {
      const left = (this.#shown.get(name) ?? 1) - 1
      if (left === 0) this.#shown.delete(name)
      else this.#shown.set(name, left)
    }
    this.#placeAll(names)
  }

  /** @param whole the kernel has shown all that it has: only then can something be missed */
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
      this.#place(each)
    }
    const absent = new Map(Array.from(this.#absent, each => [each.mirror, each]))
    for (const [mirror, missed] of this.#missed) {
      const now = absent.get(mirror)
      // By other names it may be of other SRs, and of another nature: it is missed anew.
      if (now === undefined || !isDeepStrictEqual(now, missed)) this.#unmiss(mirror)
    }
  }

  #placeAll(names: readonly string[]): void {
    for (const name of names) for (const expected of this.#expectedBy.get(name) ?? []) this.#place(expected)
  }

  #place(expected: ExpectedMirror): void {
    if (expected.shownAs.some(name => this.#shown.has(name))) {
      this.#absent.delete(expected)
      this.#everShown.add(expected.mirror)
      this.#unmiss(expected.mirror)
    } else this.#absent.add(expected)
  }

  #unmiss(mirror: string): void {
    // One that the kernel shows under the very name it was missed under is simply seen.
    if (this.#missed.delete(mirror) && !this.#namesOf.has(mirror)) this.#notMissed.push(mirror)
  }
}
