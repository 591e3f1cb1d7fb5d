import type { TrackedMirror } from '../history/tracked-mirror.ts'
import type { Placement } from '../judge/placement.ts'
import type { SyncState } from '../state.ts'
import type { MirrorListEntry } from './report.ts'

/** Of mirrors that share an entry only some are named: the answer to a poll has room for 64 KiB. */
const MAX_NAMES_PER_ENTRY = 16
const MAX_NAMES = 256

/** A mirror of which nothing was said may be on any host: a name that no host has makes the gate take it so. */
const UNSAID: Placement = { quorum: true, replicas: [{ peer: '?', current: false }] }

interface Group {
  readonly placement: Placement
  readonly state: SyncState
  readonly quorum: boolean
  count: number
  readonly names: string[]
}

/**
 * Where the replicas of an SR's mirrors are, for the placement-aware policy. The counts are those of the SR's status at the
 * same moment. Made on demand, in one walk.
 *
 * @param mirrors all mirrors of one SR, of one host
 * @param hasNoQuorum true of mirrors that are configured to go on without a majority of their replicas; the kernel does
 *   not say, and unless told otherwise a majority is needed
 */
export function mirrorList(
  mirrors: Iterable<TrackedMirror>,
  hasNoQuorum: (mirror: string) => boolean = () => false,
): MirrorListEntry[] {
  const byPlacement = new Map<Placement, Group[]>()
  let roomForNames = MAX_NAMES
  for (const { mirror, state, placement: said } of mirrors) {
    const placement = said ?? UNSAID
    const group = groupIn(byPlacement, placement, state, placement.quorum && !hasNoQuorum(mirror))
    group.count += 1
    if (state === 'synced' || group.names.length >= MAX_NAMES_PER_ENTRY || roomForNames === 0) continue
    group.names.push(mirror)
    roomForNames -= 1
  }
  return [...byPlacement.values()].flat().map(entryOf)
}

function groupIn(byPlacement: Map<Placement, Group[]>, placement: Placement, state: SyncState, quorum: boolean): Group {
  const groups = byPlacement.get(placement) ?? []
  if (groups.length === 0) byPlacement.set(placement, groups)
  const known = groups.find(group => group.state === state && group.quorum === quorum)
  if (known !== undefined) return known
  const group: Group = { placement, state, quorum, count: 0, names: [] }
  groups.push(group)
  return group
}

function entryOf({ placement, state, quorum, count, names }: Group): MirrorListEntry {
  return { state, count, ...(state === 'synced' ? {} : { mirrors: names }), quorum, replicas: placement.replicas }
}
