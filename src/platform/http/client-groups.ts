const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i
/** Of the eight groups of an IPv6 address: one machine may use every address of a /64 network. */
const NETWORK_GROUPS = 4

/**
 * Identifies the machine of a peer by its address: an IPv4 address, or the /64 network of an IPv6 address; `''` for a unix socket. Pass the
 * kernel's address of the peer: headers such as X-Forwarded-For can claim any address.
 */
export function addressGroup(remoteAddress: string | undefined): string {
  if (remoteAddress === undefined) return ''
  const [, ipv4] = MAPPED_IPV4.exec(remoteAddress) ?? []
  if (ipv4 !== undefined) return ipv4
  const [address = ''] = remoteAddress.split('%', 1)
  if (!address.includes(':')) return address
  const [before = '', after] = address.split('::', 2)
  const head = before === '' ? [] : before.split(':')
  const tail = after === undefined || after === '' ? [] : after.split(':')
  const zeros = after === undefined ? 0 : Math.max(8 - head.length - tail.length, 0)
  const groups = [...head, ...Array(zeros).fill('0'), ...tail]
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`
}

/** The largest group, the first of equal ones; `[]` if there are none. When a limit is exceeded, this group has to give way. */
export function largestGroup<T>(groups: ReadonlyMap<string, readonly T[]>): readonly T[] {
  return [...groups.values()].reduce<readonly T[]>((most, each) => (each.length > most.length ? each : most), [])
}
