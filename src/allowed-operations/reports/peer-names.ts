import type { HostSnapshot } from '../pool/pool-snapshot.ts'

/** The name of the peer in every DRBD 8.4 connection: there are exactly two sides, without names. */
const NAMELESS_PEER = 'peer'

/**
 * Resolves a peer's name to hosts. DRBD's connection name is the peer's host name, sometimes in its short form. The index is built
 * on first use, because reports name no peers while everything is in sync.
 */
export class PeerNames {
  readonly #hosts: readonly HostSnapshot[]
  #refs: ReadonlyMap<string, readonly string[]> | null = null

  constructor(hosts: readonly HostSnapshot[]) {
    this.#hosts = hosts
  }

  /**
   * Refs of the hosts that `reporter` may mean by `peer`, for an SR with these members; empty if the pool has no such host.
   * Several if hosts share a name (`localhost` on hosts that were never named): the name may then mean any of them.
   */
  resolve(peer: string, reporter: string, members: readonly string[]): readonly string[] {
    this.#refs ??= refsByName(this.#hosts)
    const refs = this.#refs.get(peer) ?? this.#refs.get(shortName(peer))
    if (refs !== undefined) return refs.includes(reporter) ? refs.filter(ref => ref !== reporter) : refs
    return peer === NAMELESS_PEER && members.length === 2 ? members.filter(ref => ref !== reporter) : []
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
