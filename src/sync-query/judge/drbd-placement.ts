import type { Replica } from '../report/report.ts'
import { type ConfiguredPeer, type ConfiguredPeers, isVoteless, peerLabel } from './configured-peers.ts'
import type { DrbdPeer, DrbdVolume } from './drbd.ts'
import { isClientDisk } from './drbd-figures.ts'
import type { Judgement } from './judgement.ts'
import type { Placement } from './placement.ts'

/** Name of a replica that may be on any host; no host has this name. */
const UNNAMED = '?'

/**
 * Where the replicas are: everyone except intentional clients should have the data. Whether DRBD 9 needs a majority is only in the
 * configuration; 8.4 has no such rule.
 */
export function placementOf(
  { family, disk, intentionalClient, peers }: DrbdVolume,
  missing: readonly ConfiguredPeer[],
  configured: ConfiguredPeers | null,
): Placement {
  const isClient = isClientDisk(disk, intentionalClient)
  const client = configured?.ownVotes === false ? VOTELESS_CLIENT_HERE : CLIENT_HERE
  const own: Replica = isClient ? client : { peer: 'self', current: disk === 'UpToDate' }
  // DRBD before 9 always has two nodes, even while it does not show the other one.
  const others = peers.length === 0 && family !== '9' ? [NAMELESS_PEER] : peers.map(each => replicaOf(each, configured))
  const replicas = [own, ...others]
  for (const peer of missing) {
    const replica = { peer: peerLabel(peer) ?? UNNAMED, current: false }
    replicas.push(peer.diskless ? { ...replica, diskless: true, ...(peer.votes === false && VOTELESS) } : replica)
  }
  return { quorum: family !== '8.4', replicas }
}

function replicaOf(present: DrbdPeer, configured: ConfiguredPeers | null): Replica {
  const { peer, connection, peerDisk, intentionalClient } = present
  const isConnected = connection === 'Connected'
  if (intentionalClient !== true) {
    return isConnected ? { peer, current: peerDisk === 'UpToDate', connected: true } : { peer, current: false }
  }
  const client: Replica = isConnected
    ? { peer, current: false, connected: true, diskless: true }
    : { peer, current: false, diskless: true }
  return isVoteless(present, configured) ? { ...client, ...VOTELESS } : client
}

const VOTELESS = { votes: false } as const
const CLIENT_HERE: Replica = { peer: 'self', current: false, diskless: true }
const VOTELESS_CLIENT_HERE: Replica = { ...CLIENT_HERE, ...VOTELESS }
const NAMELESS_PEER: Replica = { peer: 'peer', current: false }

/** Expected replicas with data, and how many of them are current. */
export function countReplicas({ replicas }: Placement): Judgement['replicas'] {
  let expected = 0
  let current = 0
  for (const replica of replicas) {
    if (replica.diskless !== true) expected += 1
    if (replica.current) current += 1
  }
  return { expected, current }
}
