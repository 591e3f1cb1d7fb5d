import { isDeepStrictEqual } from 'node:util'
import type { SourceUpdate } from '../../sync-query/backend.ts'
import { judgeMdArray } from '../../sync-query/judge/judge-md.ts'
import type { MdArray } from '../../sync-query/judge/md.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import { isBlocking } from '../../sync-query/reason/reason.ts'
import type { MdReading } from '../parse/md-reading.ts'

export type MdUpdate = SourceUpdate<MdArray>

/** Interval of updates without a change. A state that is not confirmed within 15 s is unknown. */
const CONFIRM_EVERY_MS = 4_000

/** Problems per update. */
const MAX_PROBLEMS = 100

interface PublishedArray {
  readonly array: MdArray
  /** The last known one: it cannot be read while the files of the array hang. */
  readonly uuid: string | null
  readonly isUnsettled: boolean
}

/** The arrays of the last update. The next update holds only what differs from them. */
export class PublishedArrays {
  readonly #arrays = new Map<string, PublishedArray>()
  #doubt: string | null | undefined
  #problems: ReadonlySet<string> = new Set()
  #wholeAt: number | null = null
  #publishedWholeAt: number | null = null

  /** Number of arrays. */
  get size(): number {
    return this.#arrays.size
  }

  /** Whether an array resyncs, is degraded or is in doubt. The next change is then likely to come soon. */
  get isUnsettled(): boolean {
    return this.#doubt !== null || this.#arrays.values().some(({ isUnsettled }) => isUnsettled)
  }

  /**
   * Whether /proc/mdstat and sysfs contradict each other on an array on which they agreed before. They are read one after the other,
   * so the array was probably created or stopped in between; another reading decides.
   */
  isTorn({ arrays }: MdReading): boolean {
    return arrays.some(({ name, doubts }) => {
      const wasDoubted = (this.#arrays.get(name)?.array.doubts.length ?? 0) > 0
      return !wasDoubted && doubts.some(({ code }) => code === 'contradiction')
    })
  }

  /** The update that a reading causes. `null`: nothing has changed, and the last update is recent enough. */
  publish(reading: MdReading, at: number): MdUpdate | null {
    const removed: string[] = []
    const changed: MdArray[] = []
    for (const array of reading.arrays) {
      const before = this.#arrays.get(array.name)
      if (before !== undefined && isDeepStrictEqual(before.array, array)) continue
      const uuid = array.uuid ?? before?.uuid ?? null
      if (before !== undefined && before.uuid !== uuid) removed.push(array.name)
      changed.push(array)
      this.#arrays.set(array.name, { array, uuid, isUnsettled: isUnsettled(array) })
    }
    if (reading.understood) removed.push(...this.#forgetAllBut(reading.arrays))
    const doubt = doubtOf(reading)
    const problems = this.#newProblems(reading.problems)
    if (reading.understood) this.#wholeAt = at
    const hasChanged = doubt !== this.#doubt || changed.length > 0 || removed.length > 0 || problems.length > 0
    this.#doubt = doubt
    if (!hasChanged && !this.#mustConfirm()) return null
    this.#publishedWholeAt = this.#wholeAt
    return { at, changed, removed, doubt, problems, wholeAt: this.#wholeAt }
  }

  #mustConfirm(): boolean {
    if (this.#wholeAt === null || this.#publishedWholeAt === null) return false
    // The absolute value, because the clock may be set back.
    return Math.abs(this.#wholeAt - this.#publishedWholeAt) >= CONFIRM_EVERY_MS
  }

  #forgetAllBut(arrays: readonly MdArray[]): readonly string[] {
    const present = new Set(arrays.map(({ name }) => name))
    const gone = [...this.#arrays.keys()].filter(name => !present.has(name))
    for (const name of gone) this.#arrays.delete(name)
    return gone
  }

  #newProblems(problems: readonly Problem[]): readonly Problem[] {
    const before = this.#problems
    const byKey = new Map(problems.map(each => [`${each.device} ${each.code} ${each.text}`, each]))
    this.#problems = new Set(byKey.keys())
    return [...byKey].flatMap(([key, each]) => (before.has(key) ? [] : [each])).slice(0, MAX_PROBLEMS)
  }
}

/** An array without redundancy is always degraded; it does not need frequent reads for that. */
function isUnsettled(array: MdArray): boolean {
  const { activity, reasons } = judgeMdArray(array)
  return activity !== 'none' || reasons.some(({ code }) => code !== 'not-redundant' && isBlocking(code))
}

function doubtOf({ understood, problems }: MdReading): string | null {
  if (understood) return null
  return problems.find(({ device }) => device === null)?.text ?? "not all of the kernel's md state was understood"
}
