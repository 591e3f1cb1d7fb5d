import type { ConfiguredVolume } from '../drbd-adapter/config/configured-resource.ts'
import type { ParsedArrays } from '../mdraid-adapter/config/parse-md-config.ts'
import { mdUuid, uuidOfOldMetadata } from '../mdraid-adapter/parse/md-uuid.ts'
import { namePattern } from '../platform/text/name-pattern.ts'
import type { ConfiguredPeers } from '../sync-query/judge/configured-peers.ts'
import { resourceOf, type SrSelection } from './sr-selection.ts'

/** A mirror that a configuration says should be there. */
export interface ExpectedMirror {
  /**
   * What it is called while it is missed: by a name of its own, and by none that another may be shown by. `md9` of an ARRAY
   * line with a UUID would pass for whatever array the kernel calls md9: its path does not.
   */
  readonly mirror: string
  /** It is there if the kernel shows a mirror that goes by any of these. None: nothing tells whether it is there. */
  readonly shownAs: readonly string[]
  /** What patterns may call it. */
  readonly names: readonly string[]
  /** Only an SR says so, which names it without a `*`. */
  readonly isChoice?: true
  /** Of a DRBD volume: the peers that its configuration names. */
  readonly peers?: ConfiguredPeers
}

/**
 * The volumes that DRBD's configuration names, and the resources that an SR names without a `*`: a host whose configuration
 * was lost would otherwise have nothing to miss.
 *
 * @param volumes of the configuration
 */
export function expectedVolumes(
  volumes: readonly ConfiguredVolume[],
  selections: readonly SrSelection[],
): ExpectedMirror[] {
  const expected = volumes.map(({ mirror, peers }): ExpectedMirror => {
    return { mirror, shownAs: [mirror], names: drbdNames(mirror), peers }
  })
  const known = new Set(expected.flatMap(({ names }) => names))
  for (const name of new Set(selections.flatMap(({ drbd }) => drbd))) {
    if (name.includes('*') || known.has(name)) continue
    const isVolume = /\/\d+$/.test(name)
    // Which volumes a resource has only its configuration or the kernel could say: any of them will do.
    expected.push({
      mirror: isVolume ? name : `${name}/*`,
      shownAs: [name],
      names: isVolume ? drbdNames(name) : [name],
      isChoice: true,
    })
  }
  return expected
}

/** What patterns may call a DRBD volume. @param mirror `resource/volume` */
export function drbdNames(mirror: string): readonly string[] {
  return [resourceOf(mirror), mirror]
}

/** What patterns may call an md array that the kernel shows. @param uuid in the kernel's form */
export function mdNames(name: string, uuid: string | null): readonly string[] {
  return [name, `/dev/${name}`, ...(uuid === null ? [] : [uuid])]
}

/** The arrays that md's configuration names, and those that an SR names without a `*`. */
export function expectedArrays(configured: ParsedArrays, selections: readonly SrSelection[]): ExpectedMirror[] {
  const expected = new Map<string, ExpectedMirror>()
  const known = new Set<string>()
  const expect = (each: ExpectedMirror) => {
    // The same array may be named twice, as in two files.
    const more = expected.get(each.mirror)?.names ?? []
    expected.set(each.mirror, { ...each, names: [...new Set([...more, ...each.names])] })
    for (const name of each.names) known.add(name)
  }
  for (const array of configured.arrays) {
    const { device, shownAs, calledAs } = array
    const path = device?.startsWith('/') === true ? device : calledAs[0]
    const label = device === null ? shownAs[0] : path
    // Of two lines for one device each may mean another array.
    expect({ mirror: expected.has(label) ? shownAs[0] : label, shownAs, names: namesOf(array) })
  }
  for (const { label, names } of configured.incomparable) expect({ mirror: label, shownAs: [], names })
  for (const pattern of new Set(selections.flatMap(({ md }) => md))) {
    const shownAs = kernelNames(pattern)
    if (pattern.includes('*') || [pattern, ...shownAs].some(name => known.has(name))) continue
    const mirror = /^[^/].*\//.test(pattern) ? `/dev/${pattern}` : pattern
    expect({ mirror, shownAs, names: [pattern, ...shownAs], isChoice: true })
  }
  return [...expected.values()]
}

/**
 * The selections with what the kernel calls the arrays that they choose: it shows neither `/dev/md/home` nor a UUID in
 * mdadm's form. A configured array is chosen here by the very names under which it is missed, or it would leave its SR the
 * moment it comes up as md127.
 */
export function resolveArrays(selections: readonly SrSelection[], configured: ParsedArrays): SrSelection[] {
  const arrays = configured.arrays.map(array => ({ shownAs: array.shownAs, names: namesOf(array) }))
  return selections.map(selection => {
    const chosen = selection.md.flatMap(pattern => {
      const written = [pattern, ...kernelNames(pattern)]
      const matches = written.map(namePattern)
      const named = arrays.filter(({ names }) => names.some(name => matches.some(isNamed => isNamed(name))))
      return [...written, ...named.flatMap(({ shownAs }) => shownAs)]
    })
    return { ...selection, md: [...new Set(chosen)] }
  })
}

/** What patterns may call an array that is configured. */
function namesOf({ device, shownAs, calledAs }: ParsedArrays['arrays'][number]): readonly string[] {
  return [...new Set([...(device === null ? shownAs : [device, ...shownAs]), ...calledAs])]
}

/** Under what the kernel may show an array that was written so. */
function kernelNames(pattern: string): readonly string[] {
  const uuid = mdUuid(pattern)
  return uuid === null ? [pattern.replace(/^\/dev\//, '')] : [uuid, uuidOfOldMetadata(uuid)]
}
