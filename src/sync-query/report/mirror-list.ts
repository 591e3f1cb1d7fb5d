import type { TrackedMirror } from '../history/tracked-mirror.ts'
import type { Placement } from '../judge/placement.ts'
import type { SyncState } from '../state.ts'
import type { MirrorListEntry } from './report.ts'

/** An entry names only some of its mirrors: the answer to a poll has at most 64 KiB. */
const MAX_NAMES_PER_ENTRY = 16
const MAX_NAMES = 256

/** A mirror without a known placement may be on any host: the gate treats a name that no host has in that way. */
const UNKNOWN_PLACEMENT: Placement = { quorum: true, replicas: [{ peer: '?', current: false }] }

interface Group {
  readonly placement: Placement
  readonly state: SyncState
  count: number
  readonly names: string[]
}

/**
 * Where the replicas of an SR's mirrors are, for the placement policy. The counts are those of the SR's status at the same moment. Made on
 * demand, in one pass.
 *
 * @param mirrors all mirrors of one SR, of one host
 */
export function mirrorList(mirrors: Iterable<TrackedMirror>): MirrorListEntry[] {
  const byPlacement = new Map<Placement, Group[]>()
  let roomForNames = MAX_NAMES
  for (const { mirror, state, placement: known } of mirrors) {
    const placement = known ?? UNKNOWN_PLACEMENT
    const group = groupIn(byPlacement, placement, state)
    group.count += 1
    if (state === 'synced' || group.names.length >= MAX_NAMES_PER_ENTRY || roomForNames === 0) continue
    group.names.push(mirror)
    roomForNames -= 1
  }
  return [...byPlacement.values()].flat().map(entryOf)
}

function groupIn(byPlacement: Map<Placement, Group[]>, placement: Placement, state: SyncState): Group {
  const groups = byPlacement.get(placement) ?? []
  if (groups.length === 0) byPlacement.set(placement, groups)
  const known = groups.find(group => group.state === state)
  if (known !== undefined) return known
  const group: Group = { placement, state, count: 0, names: [] }
  groups.push(group)
  return group
}

function entryOf({ placement, state, count, names }: Group): MirrorListEntry {
  return {
    state,
    count,
    ...(state === 'synced' ? {} : { mirrors: names }),
    quorum: placement.quorum,
    replicas: placement.replicas,
  }
}
