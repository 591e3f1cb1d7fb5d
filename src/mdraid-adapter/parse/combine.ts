import type { MdArray, MdDoubt, MdMember, MdOperation } from '../../sync-query/judge/md.ts'
import { doubtProblems, type MdReading, mdProblem } from './md-reading.ts'

/**
 * Combines the readings of /proc/mdstat and sysfs. If one of them is missing, the other one counts alone. An array that only one of
 * them shows is in doubt. Otherwise both are compared. They are read one after the other, so they may differ by what happened in
 * between: the worse value counts, and only values without an order are a contradiction. Pure.
 */
export function combineMdReadings(mdstat: MdReading | null, sysfs: MdReading | null): MdReading {
  if (mdstat === null || sysfs === null) {
    const silence = mdProblem(null, 'source-silent', 'Neither /proc/mdstat nor /sys/block exists')
    return mdstat ?? sysfs ?? { arrays: [], problems: [silence], understood: false }
  }
  const inMdstat = byName(mdstat.arrays)
  const inSysfs = byName(sysfs.arrays)
  const pairs = [
    ...sysfs.arrays.map(array => combineArray(inMdstat.get(array.name), array)),
    ...mdstat.arrays.filter(({ name }) => !inSysfs.has(name)).map(onlyInMdstat),
  ]
  return {
    arrays: pairs.map(({ array, newDoubts }) => ({ ...array, doubts: [...array.doubts, ...newDoubts] })),
    problems: [
      ...mdstat.problems,
      ...sysfs.problems,
      ...pairs.flatMap(({ array, newDoubts }) => doubtProblems({ ...array, doubts: newDoubts })),
    ],
    understood: mdstat.understood && sysfs.understood,
  }
}

/** An array of both sources, and the doubts that only the comparison causes. */
interface Combined {
  readonly array: MdArray
  readonly newDoubts: readonly MdDoubt[]
}

function onlyInMdstat(array: MdArray): Combined {
  return { array, newDoubts: [{ code: 'contradiction', field: 'sysfs', word: 'absent' }] }
}

function combineArray(mdstat: MdArray | undefined, sysfs: MdArray): Combined {
  if (mdstat === undefined) {
    // A stopped array keeps its directory for a while; mdstat omits arrays that have neither members nor a level.
    const isGone = sysfs.arrayState === 'clear'
    return { array: sysfs, newDoubts: isGone ? [] : [{ code: 'contradiction', field: 'mdstat', word: 'absent' }] }
  }
  const array: MdArray = {
    ...sysfs,
    level: sysfs.level === null || sysfs.level === '' ? (mdstat.level ?? sysfs.level) : sysfs.level,
    // sysfs shows `broken` only for an array without pending writes.
    arrayState: mdstat.arrayState === 'broken' ? 'broken' : (sysfs.arrayState ?? mdstat.arrayState),
    readOnly: sysfs.readOnly ?? mdstat.readOnly,
    slots: {
      expected: worseOf(Math.max, mdstat.slots.expected, sysfs.slots.expected),
      current: worseOf(Math.min, mdstat.slots.current, sysfs.slots.current),
    },
    members: combineMembers(mdstat.members, sysfs.members),
    operation: combineOperations(mdstat.operation, sysfs.operation),
    doubts: [...mdstat.doubts, ...sysfs.doubts],
  }
  return { array, newDoubts: differences(mdstat, sysfs) }
}

/** Of two levels, or of active and stopped, neither is worse: the array was stopped, started or created again between the reads. */
function differences(mdstat: MdArray, sysfs: MdArray): readonly MdDoubt[] {
  const doubts: MdDoubt[] = []
  if (mdstat.level !== null && sysfs.level !== null && sysfs.level !== '' && mdstat.level !== sysfs.level) {
    doubts.push({ code: 'contradiction', field: 'level', word: `${mdstat.level}, ${sysfs.level}` })
  }
  if (mdstat.arrayState !== null && sysfs.arrayState !== null && isStopped(mdstat) !== isStopped(sysfs)) {
    doubts.push({ code: 'contradiction', field: 'array_state', word: `${mdstat.arrayState}, ${sysfs.arrayState}` })
  }
  return doubts
}

function isStopped({ arrayState }: MdArray): boolean {
  return arrayState === 'inactive' || arrayState === 'clear' || arrayState === 'suspended'
}

function worseOf(worst: (a: number, b: number) => number, a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : worst(a, b)
}

/** A flag of a member counts if either source shows it: a member that failed between the reads is failed. */
function combineMembers(mdstat: readonly MdMember[], sysfs: readonly MdMember[]): readonly MdMember[] {
  const inMdstat = byName(mdstat)
  const inSysfs = byName(sysfs)
  return [
    ...sysfs.map(({ name, slot, flags, ...rest }) => {
      const more = (inMdstat.get(name)?.flags ?? []).filter(flag => !flags.includes(flag))
      // A spare that got a slot between the reads is in recovery.
      return { ...rest, name, slot, flags: [...flags, ...more.filter(flag => flag !== 'spare' || slot === null)] }
    }),
    ...mdstat.filter(({ name }) => !inSysfs.has(name)),
  ]
}

/**
 * sysfs has the exact kind of the operation, mdstat the exact progress. mdstat shows a repair as `resync`, a delayed check as
 * `resync=DELAYED`, and nothing just before an operation begins; sync_completed of sysfs is updated in steps. An operation that only one
 * of them shows began or ended between the reads, and counts. A check never hides an operation that copies.
 */
function combineOperations(mdstat: MdArray['operation'], sysfs: MdArray['operation']): MdArray['operation'] {
  if (mdstat === null || mdstat === 'none') return sysfs ?? mdstat
  if (sysfs === null || sysfs === 'none') return mdstat
  if (mdstat.kind === sysfs.kind || (mdstat.kind === 'resync' && sysfs.kind === 'repair')) {
    return mdstat.status === 'running' ? { ...mdstat, kind: sysfs.kind } : sysfs
  }
  return sysfs.kind === 'check' && !isMaybeCheck(mdstat) ? mdstat : sysfs
}

function isMaybeCheck({ kind, status }: MdOperation): boolean {
  return kind === 'resync' && status === 'delayed'
}

function byName<T extends { readonly name: string }>(items: readonly T[]): ReadonlyMap<string, T> {
  return new Map(items.map(item => [item.name, item]))
}
