import { namePattern } from '../platform/text/name-pattern.ts'
import type { ExpectedMirror } from '../sync-query/backend.ts'
import type { ParsedArrays } from './config/parse-md-config.ts'
import { mdUuid, uuidOfOldMetadata } from './parse/md-uuid.ts'

/**
 * The arrays in md's configuration, and those that an SR selects by a name without `*`.
 *
 * @param patterns of all SRs
 */
export function expectedArrays(configured: ParsedArrays, patterns: readonly string[]): ExpectedMirror[] {
  const expected = new Map<string, ExpectedMirror>()
  const known = new Set<string>()
  const expect = (each: ExpectedMirror) => {
    // Two files may name the same array.
    const more = expected.get(each.mirror)?.names ?? []
    expected.set(each.mirror, { ...each, names: [...new Set([...more, ...each.names])] })
    for (const name of each.names) known.add(name)
  }
  for (const array of configured.arrays) {
    const { device, shownAs, calledAs } = array
    const path = device?.startsWith('/') === true ? device : calledAs[0]
    const label = device === null ? shownAs[0] : path
    // Two lines for one device may mean two arrays.
    expect({ mirror: expected.has(label) ? shownAs[0] : label, shownAs, names: namesOfConfigured(array) })
  }
  for (const { label, names } of configured.incomparable) expect({ mirror: label, shownAs: [], names })
  for (const pattern of new Set(patterns)) {
    const shownAs = kernelNames(pattern)
    if (pattern.includes('*') || [pattern, ...shownAs].some(name => known.has(name))) continue
    const mirror = /^[^/].*\//.test(pattern) ? `/dev/${pattern}` : pattern
    expect({ mirror, shownAs, names: [pattern, ...shownAs], isChoice: true })
  }
  return [...expected.values()]
}

/**
 * The patterns of one SR, and the kernel's names for the arrays that they select: the kernel shows neither `/dev/md/home` nor a
 * UUID in mdadm's form. A configured array is selected by exactly the names under which it is missed; otherwise it would leave
 * its SR when it comes up as md127.
 */
export function resolveArrays(patterns: readonly string[], configured: ParsedArrays): readonly string[] {
  const arrays = configured.arrays.map(array => ({ shownAs: array.shownAs, names: namesOfConfigured(array) }))
  const resolved = patterns.flatMap(pattern => {
    const written = [pattern, ...kernelNames(pattern)]
    const matches = written.map(namePattern)
    const named = arrays.filter(({ names }) => names.some(name => matches.some(isNamed => isNamed(name))))
    return [...written, ...named.flatMap(({ shownAs }) => shownAs)]
  })
  return [...new Set(resolved)]
}

/** The names that a pattern may match. @param uuid in the kernel's form */
export function namesOfArray(name: string, uuid: string | null): readonly string[] {
  return [name, `/dev/${name}`, ...(uuid === null ? [] : [uuid])]
}

/** The names that a pattern may match, of an array in the configuration. */
function namesOfConfigured({ device, shownAs, calledAs }: ParsedArrays['arrays'][number]): readonly string[] {
  return [...new Set([...(device === null ? shownAs : [device, ...shownAs]), ...calledAs])]
}

/** The names under which the kernel may show an array that is written like this. */
function kernelNames(pattern: string): readonly string[] {
  const uuid = mdUuid(pattern)
  return uuid === null ? [pattern.replace(/^\/dev\//, '')] : [uuid, uuidOfOldMetadata(uuid)]
}
