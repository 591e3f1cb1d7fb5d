import type { SrWatch } from '../volume-plugin/sr-configuration.ts'
import type { SrSelection } from './sr-selection.ts'

/** The configured SRs, and those that are attached through the volume plugin; of one that is both the file decides. */
export function selectionsOf(configured: readonly SrSelection[], attached: readonly SrWatch[]): readonly SrSelection[] {
  const more = attached.flatMap(({ uuid, sameAs, drbd, md, ignorePeers, allowEmpty }): SrSelection[] => {
    if (configured.some(sr => sr.uuid === uuid)) return []
    if (sameAs === null) return [{ uuid, drbd, md, ignorePeers, allowEmpty }]
    // Of an SR that is not configured here nothing is known: without a selection it would read as nothing to sync.
    return configured.flatMap(sr =>
      sr.uuid === sameAs ? [{ ...sr, uuid, allowEmpty: sr.allowEmpty === true || allowEmpty }] : [],
    )
  })
  return [...configured, ...more]
}

/**
 * Volumes are judged without the peers that are ignored: when these are others, volumes have to be read again. A peer is
 * ignored only if every SR of the volume ignores it, so it matters beside them which volumes an SR has that ignores none.
 */
export function ignoring(srs: readonly SrSelection[]): string {
  if (srs.every(({ ignorePeers }) => ignorePeers.length === 0)) return ''
  return JSON.stringify(srs.map(({ uuid, drbd, ignorePeers }) => [uuid, drbd, ignorePeers]))
}
