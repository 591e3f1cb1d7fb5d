import type { HostSnapshot } from '../pool/pool-snapshot.ts'

/** What DRBD 8.4 calls the other side of every connection: it has exactly two, and no names. */
const NAMELESS_PEER = 'peer'

/**
 * Which hosts a peer's name may mean: DRBD's connection name is the peer's host name, sometimes in its short form. Found when
 * first asked for: while all is in sync nobody names a peer.
 */
export class PeerNames {
  readonly #hosts: readonly HostSnapshot[]
  #refs: ReadonlyMap<string, readonly string[]> | null = null

  constructor(hosts: readonly HostSnapshot[]) {
    this.#hosts = hosts
  }

  /**
   * Refs of the hosts that `speaker` may mean by `peer`, of an SR with these members; none if it is no host of the pool.
   * Several where hosts share a name (`localhost` on hosts that were never named): then any of them may be meant.
   */
  resolve(peer: string, speaker: string, members: readonly string[]): readonly string[] {
    this.#refs ??= refsByName(this.#hosts)
    const refs = this.#refs.get(peer) ?? this.#refs.get(shortName(peer))
    if (refs !== undefined) return refs.includes(speaker) ? refs.filter(ref => ref !== speaker) : refs
    return peer === NAMELESS_PEER && members.length === 2 ? members.filter(ref => ref !== speaker) : []
  }
}

function refsByName(hosts: readonly HostSnapshot[]): ReadonlyMap<string, readonly string[]> {
  const byName = new Map<string, string[]>()
  for (const { ref, uuid, hostname, nameLabel } of hosts) {
    for (const name of [ref, uuid, hostname, hostname && shortName(hostname), nameLabel]) {
      if (name === undefined || name === '') continue
      const refs = byName.get(name)
      if (refs === undefined) byName.set(name, [ref])
      else if (!refs.includes(ref)) refs.push(ref)
    }
  }
  return byName
}

function shortName(hostname: string): string {
  const dot = hostname.indexOf('.')
  return dot === -1 ? hostname : hostname.slice(0, dot)
}
