import type { ExpectedMirror } from '../sync-query/backend.ts'
import type { ConfiguredVolume } from './config/configured-resource.ts'

/**
 * The volumes in DRBD's configuration, and the resources that an SR selects by a name without `*`. Without the latter a host
 * that has lost its configuration would expect nothing.
 *
 * @param patterns of all SRs
 */
export function expectedVolumes(volumes: readonly ConfiguredVolume[], patterns: readonly string[]): ExpectedMirror[] {
  const expected = volumes.map(({ mirror, peers }): ExpectedMirror => {
    return { mirror, shownAs: [mirror], names: namesOfVolume(mirror), peers }
  })
  const known = new Set(expected.flatMap(({ names }) => names))
  for (const name of new Set(patterns)) {
    if (name.includes('*') || known.has(name)) continue
    const isVolume = /\/\d+$/.test(name)
    // Only the configuration or the kernel could tell which volumes a resource has, so any of them will do.
    expected.push({
      mirror: isVolume ? name : `${name}/*`,
      shownAs: [name],
      names: isVolume ? namesOfVolume(name) : [name],
      isChoice: true,
    })
  }
  return expected
}

/** The names that a pattern may match: the resource, and the volume. @param mirror `resource/volume` */
export function namesOfVolume(mirror: string): readonly string[] {
  return [mirror.slice(0, mirror.lastIndexOf('/')), mirror]
}
