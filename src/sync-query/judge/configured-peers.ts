import type { DrbdPeer } from './drbd.ts'

/** A peer of a DRBD volume, as this host's configuration names it. */
export interface ConfiguredPeer {
  /** Its node id, in digits; `null` where the configuration gives none (DRBD 8.4, stacked resources). */
  readonly nodeId: string | null
  /** What the kernel may call the connection to it, the likeliest name first. None: the configuration does not say. */
  readonly names: readonly string[]
  /** It has no disk for this volume on purpose (`disk none`): a client or a tiebreaker. */
  readonly diskless: boolean
  /** A diskless peer that is no tiebreaker (`tiebreaker no`, DRBD 9.3.1): it counts for no majority. */
  readonly votes?: false
}

/** The peers of one volume, as this host's configuration names them. */
export interface ConfiguredPeers {
  readonly peers: readonly ConfiguredPeer[]
  /** `null`: these are all. Otherwise in a few words why there may be others. */
  readonly doubt: string | null
  /** The same of this host, where it is diskless. */
  readonly ownVotes?: false
}

const NONE: readonly ConfiguredPeer[] = []

/** How a configured peer is shown to people: as the kernel would call the connection to it. `null`: it has no name. */
export function peerLabel({ nodeId, names: [name] }: ConfiguredPeer): string | null {
  return name ?? nodeId
}

/**
 * The configured peers that the kernel does not have. A node id decides where both sides give one, otherwise the connection's
 * name; a peer of which the configuration gives neither is there if the kernel has one that is no other's.
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

/** Whether the configuration takes the vote from a peer that the kernel shows. */
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
