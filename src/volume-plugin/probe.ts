import type { ProbeResult } from './smapi-results.ts'

/** The mirrors that a host really has. */
export interface PresentMirrors {
  /** Names of DRBD resources. */
  readonly drbd: readonly string[]
  readonly md: readonly { readonly name: string; readonly uuid: string | null }[]
}

/** What XOSTOR (LINSTOR in XCP-ng) calls its resources: virtual disks, and its own databases. */
const XOSTOR_PREFIXES = ['xcp-volume-', 'xcp-persistent-'] as const
/** An operator chooses from this list by eye. */
const MAX_PROPOSALS = 100

/** SR configurations that would watch something on this host: DRBD resources by what made them, then md arrays. */
export function proposeConfigurations({ drbd, md }: PresentMirrors): readonly ProbeResult[] {
  const ofXostor = XOSTOR_PREFIXES.filter(prefix => drbd.some(name => name.startsWith(prefix)))
  const others = drbd.filter(name => !ofXostor.some(prefix => name.startsWith(prefix)))
  const proposals = [
    ...(ofXostor.length === 0
      ? []
      : [
          proposal(
            { drbd: ofXostor.map(prefix => `${prefix}*`).join(' ') },
            'DRBD resources of XOSTOR',
            drbd.length - others.length,
          ),
        ]),
    ...[...byStem(others)].map(([pattern, count]) =>
      proposal({ drbd: pattern }, `DRBD ${count === 1 ? 'resource' : 'resources'} ${pattern}`, count),
    ),
    ...md.map(({ name, uuid }) => proposal({ md: uuid ?? name }, `md array ${name}`, 1)),
  ]
  return proposals.slice(0, MAX_PROPOSALS)
}

/** Resources whose names differ only in the number at the end are one pattern: whoever made them counts them. */
function byStem(names: readonly string[]): Map<string, number> {
  const stems = Map.groupBy(names, name => name.replace(/\d+$/, '*'))
  return new Map(
    [...stems].map(([stem, [first = stem, ...more]]) =>
      // A bare number has no stem: `*` would stand for every resource.
      more.length === 0 ? [first, 1] : [stem === '*' ? [first, ...more].join(' ') : stem, more.length + 1],
    ),
  )
}

function proposal(configuration: ProbeResult['configuration'], what: string, mirrors: number): ProbeResult {
  return { configuration, complete: true, extra_info: { what, count: String(mirrors) } }
}
