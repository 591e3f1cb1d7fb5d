import type { DrbdPeer } from './drbd.ts'

/** A peer of a DRBD volume in this host's configuration. */
export interface ConfiguredPeer {
  /** Node id in digits; `null`: the configuration has none (DRBD 8.4, stacked resources). */
  readonly nodeId: string | null
  /** Possible kernel names of the connection, the most likely first. Empty: the configuration has no name. */
  readonly names: readonly string[]
  /** It intentionally has no disk for this volume (`disk none`): a client or a tiebreaker. */
  readonly diskless: boolean
  /** A diskless peer that is not a tiebreaker (`tiebreaker no`, DRBD 9.3.1): it does not count for a majority. */
  readonly votes?: false
}

/** The peers of one volume in this host's configuration. */
export interface ConfiguredPeers {
  readonly peers: readonly ConfiguredPeer[]
  /** `null`: the list is complete. Otherwise why there may be others. */
  readonly doubt: string | null
  /** The same for this host, if it is diskless. */
  readonly ownVotes?: false
}

const NONE: readonly ConfiguredPeer[] = []

/** The displayed name of a configured peer: the kernel's name of its connection. `null`: it has no name. */
export function peerLabel({ nodeId, names: [name] }: ConfiguredPeer): string | null {
  return name ?? nodeId
}

/**
 * The configured peers that the kernel does not have. They are matched by node id if both sides have one, otherwise by the connection's
 * name. A peer with neither counts as present if the kernel has a peer that matches no other.
 */
export function missingPeers(
  configured: readonly ConfiguredPeer[],
  present: readonly DrbdPeer[],
): readonly ConfiguredPeer[] {
  let missing: ConfiguredPeer[] | null = null
  let nameless = 0
  for (const peer of configured) {
    if (peer.nodeId === null && peer.names.length === 0) nameless += 1
    else if (!isAmong(peer, present)) {
      missing ??= []
      missing.push(peer)
    }
  }
  if (nameless === 0) return missing ?? NONE
  const others = present.filter(each => !configured.some(peer => isSame(peer, each))).length
  const unseen = configured.filter(({ nodeId, names }) => nodeId === null && names.length === 0).slice(others)
  return [...(missing ?? NONE), ...unseen]
}

/** Whether the configuration removes the vote of a peer in the kernel. */
export function isVoteless(present: DrbdPeer, configured: ConfiguredPeers | null): boolean {
  if (configured === null) return false
  for (const each of configured.peers) if (each.votes === false && isSame(each, present)) return true
  return false
}

function isAmong(peer: ConfiguredPeer, present: readonly DrbdPeer[]): boolean {
  for (const each of present) if (isSame(peer, each)) return true
  return false
}

function isSame({ nodeId, names }: ConfiguredPeer, present: DrbdPeer): boolean {
  if (nodeId !== null && present.nodeId !== undefined) return nodeId === present.nodeId
  return names.includes(present.peer)
}
