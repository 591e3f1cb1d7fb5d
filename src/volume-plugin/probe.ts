import { namePattern } from '../platform/text/name-pattern.ts'
import { drbdGroups } from './drbd-groups.ts'
import { backendFailure } from './smapi-error.ts'
import type { ProbeResult } from './smapi-results.ts'

/** The mirrors that a host really has. */
export interface PresentMirrors {
  /** Names of DRBD resources. */
  readonly drbd: readonly string[]
  readonly md: readonly { readonly name: string; readonly uuid: string | null }[]
  /** Why there may be more than these, a few words for each backend that has not told everything (yet). */
  readonly doubts: readonly string[]
}

/** An operator chooses from this list by eye. md arrays are never cut off by it: a host has few. */
const MAX_DRBD_PROPOSALS = 100

/**
 * SR configurations that would watch something on this host: DRBD resources by what made them, then md arrays.
 * @throws SmapiError while more may be there than is known: an empty list would read as a host without mirrors
 */
export function proposeConfigurations({ drbd, md, doubts }: PresentMirrors): readonly ProbeResult[] {
  if (doubts.length > 0) throw backendFailure(`not known yet what mirrors there are: ${doubts.join('; ')}`)
  const groups = drbdGroups(drbd)
  const told = groups.slice(0, MAX_DRBD_PROPOSALS).map(({ patterns, what }) => {
    const matching = patterns.map(namePattern)
    return { patterns, what, names: new Set(drbd.filter(name => matching.some(matches => matches(name)))) }
  })
  const proposals = [
    ...told.map(group => {
      const { patterns, what, names } = group
      const alsoIn = told.filter(other => other !== group && !other.names.isDisjointFrom(names))
      const overlaps = alsoIn.map(other => other.patterns.join(' ')).join(', ')
      return proposal({ drbd: patterns.join(' ') }, what, names.size, overlaps === '' ? {} : { overlaps })
    }),
    ...md.map(({ name, uuid }) => proposal({ md: uuid ?? name }, `md array ${name}`, 1)),
  ]
  const omitted = groups.length - told.length
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
