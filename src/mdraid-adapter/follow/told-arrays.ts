import { isDeepStrictEqual } from 'node:util'
import { judgeMdArray } from '../../sync-query/judge/judge-md.ts'
import type { MdArray } from '../../sync-query/judge/md.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import { isBlocking } from '../../sync-query/reason/reason.ts'
import type { MdReading } from '../parse/md-reading.ts'

/** What a source has learnt since its last update. */
export interface MdUpdate {
  /** Milliseconds since 1970, by this host's clock. */
  readonly at: number
  /** Arrays that are new or read differently than before. */
  readonly changed: readonly MdArray[]
  /**
   * Kernel names of arrays that are gone. To be applied before `changed`: one that was made anew under the same name stands
   * in both, so that no history of the old one clings to it.
   */
  readonly removed: readonly string[]
  /** `null`: all arrays there are have been told. Otherwise in a few words why that cannot be claimed. */
  readonly doubt: string | null
  /** What was not understood or could not be read, and was not so at the last reading. */
  readonly problems: readonly Problem[]
  /** When everything was last read and understood, milliseconds since 1970; `null`: never. */
  readonly wholeAt: number | null
}

/** A reading that finds nothing new is told of this often: states that are not confirmed within 15 s are unknown. */
const CONFIRM_EVERY_MS = 4_000

/** More than these at a time tell nobody anything. */
const MAX_PROBLEMS = 100

interface Told {
  readonly array: MdArray
  /** The last that was said: the files of an array that hangs do not say it. */
  readonly uuid: string | null
  readonly isUnsettled: boolean
}

/** What a source has told of, so that it tells only what differs from it. */
export class ToldArrays {
  readonly #told = new Map<string, Told>()
  #doubt: string | null | undefined
  #problems: ReadonlySet<string> = new Set()
  #wholeAt: number | null = null
  #toldWholeAt: number | null = null

  /** How many arrays there are. */
  get size(): number {
    return this.#told.size
  }

  /** Something moves, is amiss or is doubted, so there will soon be more to tell. */
  get isUnsettled(): boolean {
    return this.#doubt !== null || this.#told.values().some(({ isUnsettled }) => isUnsettled)
  }

  /**
   * /proc/mdstat and sysfs, read one after the other, contradict each other on an array of which they did not before: it
   * was probably made or stopped in between, and another look will show.
   */
  isTorn({ arrays }: MdReading): boolean {
    return arrays.some(({ name, doubts }) => {
      const wasDoubted = (this.#told.get(name)?.array.doubts.length ?? 0) > 0
      return !wasDoubted && doubts.some(({ code }) => code === 'contradiction')
    })
  }

  /** Takes in a reading. @returns `null` where it says nothing new, and that it was made was told a moment ago */
  take(reading: MdReading, at: number): MdUpdate | null {
    const removed: string[] = []
    const changed: MdArray[] = []
    for (const array of reading.arrays) {
      const before = this.#told.get(array.name)
      if (before !== undefined && isDeepStrictEqual(before.array, array)) continue
      const uuid = array.uuid ?? before?.uuid ?? null
      if (before !== undefined && before.uuid !== uuid) removed.push(array.name)
      changed.push(array)
      this.#told.set(array.name, { array, uuid, isUnsettled: isUnsettled(array) })
    }
    if (reading.understood) removed.push(...this.#forgetAllBut(reading.arrays))
    const doubt = doubtOf(reading)
    const problems = this.#newProblems(reading.problems)
    if (reading.understood) this.#wholeAt = at
    const isNews = doubt !== this.#doubt || changed.length > 0 || removed.length > 0 || problems.length > 0
    this.#doubt = doubt
    if (!isNews && !this.#mustConfirm()) return null
    this.#toldWholeAt = this.#wholeAt
    return { at, changed, removed, doubt, problems, wholeAt: this.#wholeAt }
  }

  #mustConfirm(): boolean {
    if (this.#wholeAt === null || this.#toldWholeAt === null) return false
    // A clock that was set back is followed, too.
    return Math.abs(this.#wholeAt - this.#toldWholeAt) >= CONFIRM_EVERY_MS
  }

  #forgetAllBut(arrays: readonly MdArray[]): readonly string[] {
    const there = new Set(arrays.map(({ name }) => name))
    const gone = [...this.#told.keys()].filter(name => !there.has(name))
    for (const name of gone) this.#told.delete(name)
    return gone
  }

  #newProblems(problems: readonly Problem[]): readonly Problem[] {
    const before = this.#problems
    const byKey = new Map(problems.map(each => [`${each.device} ${each.code} ${each.text}`, each]))
    this.#problems = new Set(byKey.keys())
    return [...byKey].flatMap(([key, each]) => (before.has(key) ? [] : [each])).slice(0, MAX_PROBLEMS)
  }
}

/** An array without redundancy is degraded for as long as it lives, and needs no eye on it for that. */
function isUnsettled(array: MdArray): boolean {
  const { activity, reasons } = judgeMdArray(array)
  return activity !== 'none' || reasons.some(({ code }) => code !== 'not-redundant' && isBlocking(code))
}

function doubtOf({ understood, problems }: MdReading): string | null {
  if (understood) return null
  return problems.find(({ device }) => device === null)?.text ?? 'not all that the kernel says of md was understood'
}
