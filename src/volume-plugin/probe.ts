import { namePattern } from '../platform/text/name-pattern.ts'
import { drbdGroups } from './drbd-groups.ts'
import { backendFailure } from './smapi-error.ts'
import type { ProbeResult } from './smapi-methods.ts'

/** The mirrors that exist on a host. */
export interface PresentMirrors {
  /** Names of DRBD resources. */
  readonly drbd: readonly string[]
  readonly md: readonly { readonly name: string; readonly uuid: string | null }[]
  /** For each backend that has not reported everything: why there may be more mirrors. */
  readonly doubts: readonly string[]
}

/** An operator reads this list. md arrays are not limited: a host has few. */
const MAX_DRBD_PROPOSALS = 100

/**
 * Proposes SR configurations for this host: groups of DRBD resources, then md arrays.
 * @throws SmapiError while a backend has not reported everything: an empty list would look like a host without mirrors
 */
export function proposeConfigurations({ drbd, md, doubts }: PresentMirrors): readonly ProbeResult[] {
  if (doubts.length > 0) throw backendFailure(`the mirrors of this host are not known yet: ${doubts.join('; ')}`)
  const groups = drbdGroups(drbd)
  const proposed = groups.slice(0, MAX_DRBD_PROPOSALS).map(({ patterns, what }) => {
    const matching = patterns.map(namePattern)
    return { patterns, what, names: new Set(drbd.filter(name => matching.some(matches => matches(name)))) }
  })
  const proposals = [
    ...proposed.map(group => {
      const { patterns, what, names } = group
      const alsoIn = proposed.filter(other => other !== group && !other.names.isDisjointFrom(names))
      const overlaps = alsoIn.map(other => other.patterns.join(' ')).join(', ')
      return proposal({ drbd: patterns.join(' ') }, what, names.size, overlaps === '' ? {} : { overlaps })
    }),
    ...md.map(({ name, uuid }) => proposal({ md: uuid ?? name }, `md array ${name}`, 1)),
  ]
  const omitted = groups.length - proposed.length
  const last = proposals.at(-1)
  if (omitted === 0 || last === undefined) return proposals
  const more = { ...last, extra_info: { ...last.extra_info, omitted: `${omitted} more groups of DRBD resources` } }
  return [...proposals.slice(0, -1), more]
}

function proposal(
  configuration: ProbeResult['configuration'],
  what: string,
  mirrors: number,
  more: ProbeResult['extra_info'] = {},
): ProbeResult {
  return { configuration, complete: true, extra_info: { what, count: String(mirrors), ...more } }
}
