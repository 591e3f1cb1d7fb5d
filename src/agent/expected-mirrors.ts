import { type ConfiguredArrays, mdUuid, uuidOfOldMetadata } from '../mdraid-adapter/index.ts'
import { resourceOf, type SrSelection, wildcard } from './sr-selection.ts'

/** A mirror that a configuration says should be there. */
export interface ExpectedMirror {
  /** What it is called while it is missed. */
  readonly mirror: string
  /** It is there if the kernel shows a mirror that goes by any of these. */
  readonly shownAs: readonly string[]
  /** What patterns may call it. */
  readonly names: readonly string[]
}

/** @param mirrors volumes that DRBD's configuration names, as `resource/volume` */
export function expectedVolumes(mirrors: readonly string[]): ExpectedMirror[] {
  return mirrors.map(mirror => ({ mirror, shownAs: [mirror], names: drbdNames(mirror) }))
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
export function expectedArrays(configured: ConfiguredArrays, selections: readonly SrSelection[]): ExpectedMirror[] {
  const expected = configured.arrays.map(({ device, shownAs, calledAs }): ExpectedMirror => {
    const names = [...new Set([...(device === null ? shownAs : [device, ...shownAs]), ...calledAs])]
    return { mirror: device ?? shownAs[0], shownAs, names }
  })
  const known = new Set(expected.flatMap(({ names }) => names))
  for (const pattern of new Set(selections.flatMap(({ md }) => md))) {
    const shownAs = kernelNames(pattern)
    if (pattern.includes('*') || [pattern, ...shownAs].some(name => known.has(name))) continue
    expected.push({ mirror: pattern, shownAs, names: [pattern, ...shownAs] })
  }
  return expected
}

/**
 * The selections with what the kernel calls the arrays that they choose: it shows neither `/dev/md/home` nor a UUID in
 * mdadm's form.
 */
export function resolveArrays(selections: readonly SrSelection[], configured: ConfiguredArrays): SrSelection[] {
  return selections.map(selection => {
    const chosen = selection.md.flatMap(pattern => {
      const matches = wildcard(pattern)
      const byDevice = configured.arrays.filter(({ device }) => device !== null && matches(device))
      return [pattern, ...kernelNames(pattern), ...byDevice.flatMap(({ shownAs }) => shownAs)]
    })
    return { ...selection, md: [...new Set(chosen)] }
  })
}

/** Under what the kernel may show an array that was written so. */
function kernelNames(pattern: string): readonly string[] {
  const uuid = mdUuid(pattern)
  return uuid === null ? [pattern.replace(/^\/dev\//, '')] : [uuid, uuidOfOldMetadata(uuid)]
}
