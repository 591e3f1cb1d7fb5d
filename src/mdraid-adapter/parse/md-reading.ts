import type { MdArray } from '../../sync-query/judge/md.ts'
import type { Problem, ProblemCode } from '../../sync-query/judge/problem.ts'

/** The arrays that were read from /proc/mdstat, from sysfs, or from both. */
export interface MdReading {
  readonly arrays: readonly MdArray[]
  readonly problems: readonly Problem[]
  /** True: the list is complete, so an array that is not in it does not exist. Doubts about one array are in its `doubts`. */
  readonly understood: boolean
}

/**
 * Whether the metadata is that of a container (IMSM, DDF): `super` in mdstat, metadata_version in sysfs. An array inside a container
 * has the name of the container there, with `-` while it is read-only (is_subarray in mdadm.h).
 */
export function isContainer(metadata: string): boolean {
  return /^external:[^/-]/.test(metadata)
}

const EXCERPT_LENGTH = 80

/** The beginning of what was read, in printable ASCII, for logs and for reports of limited size. */
export function excerpt(text: string): string {
  return text.slice(0, EXCERPT_LENGTH).replace(/[^\x20-\x7e]/g, '?')
}

/** A problem, with an excerpt of what was read. */
export function mdProblem(device: string | null, code: ProblemCode, text: string, read?: string): Problem {
  return { device, code, text: read === undefined ? text : `${text}: "${excerpt(read)}"` }
}

/** The doubts of an array as problems, so that what makes it `unknown` is counted and logged. */
export function doubtProblems(array: MdArray): readonly Problem[] {
  return array.doubts.map(({ code, field, word }) => mdProblem(array.name, code, `${field} of ${array.name}`, word))
}
