const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i
/** Of the eight groups of an IPv6 address: a /64 network, of which one machine may use every address. */
const NETWORK_GROUPS = 4

/**
 * The machine behind a peer's address, as far as an address can name one: an IPv4 address, or the /64 network of an IPv6 address.
 * `''` stands for all who connect to a unix socket. Only the kernel's address of the peer counts; headers such as
 * X-Forwarded-For can claim any.
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
