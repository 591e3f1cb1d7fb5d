import type { MdArray } from '../../sync-query/judge/md.ts'
import type { Problem, ProblemCode } from '../../sync-query/judge/problem.ts'

/** The arrays that a look at /proc/mdstat, at sysfs, or at both has shown. */
export interface MdReading {
  readonly arrays: readonly MdArray[]
  readonly problems: readonly Problem[]
  /** The list of arrays is whole: one that is not in it does not exist. What is doubted of one array stands in its `doubts`. */
  readonly understood: boolean
}

/**
 * Whether metadata is that of a container (IMSM, DDF), by what `super` in mdstat and metadata_version in sysfs say. An array in a
 * container names that instead, with `-` while it must not be written to (is_subarray in mdadm.h).
 */
export function isContainer(metadata: string): boolean {
  return /^external:[^/-]/.test(metadata)
}

const EXCERPT_LENGTH = 80

/** The beginning of what was read, in printable characters: it ends up in logs and in reports of limited size. */
export function excerpt(text: string): string {
  return text.slice(0, EXCERPT_LENGTH).replace(/[^\x20-\x7e]/g, '?')
}

/** A problem, with what was read as far as it is of use. */
export function mdProblem(device: string | null, code: ProblemCode, text: string, read?: string): Problem {
  return { device, code, text: read === undefined ? text : `${text}: "${excerpt(read)}"` }
}

/** An array's doubts as problems, so that what makes it `unknown` is counted and logged with its words. */
export function doubtProblems(array: MdArray): readonly Problem[] {
  return array.doubts.map(({ code, field, word }) => mdProblem(array.name, code, `${field} of ${array.name}`, word))
}
