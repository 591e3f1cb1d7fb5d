import type { Statement } from './config-statements.ts'

/** How a configuration recognises this host. */
export interface HostIdentity {
  /** The output of `uname -n`; `null`: not known. */
  readonly name: string | null
  /** Addresses of the network interfaces in the form of `canonicalAddress`; `null`: not known. */
  readonly addresses: ReadonlySet<string> | null
}

/** A host section of a resource. */
export interface HostSection {
  readonly kind: 'on' | 'floating' | 'stacked' | 'this'
  readonly names: readonly string[]
  readonly address: string | null
  readonly nodeId: string | null
  /** By volume number. */
  readonly volumes: ReadonlyMap<string, VolumeSection>
}

/** The settings of one volume in a section. */
export interface VolumeSection {
  /** `null`: not given. */
  readonly hasDisk: boolean | null
  /** False with `tiebreaker no`: a diskless volume without a vote (DRBD 9.3.1). */
  readonly votes: boolean
}

export const HOST_KEYWORDS = ['on', 'floating', 'stacked-on-top-of', '_this_host']
export function hostSection({ words, section }: Statement): HostSection | null {
  const [keyword = '', ...rest] = words
  if (!HOST_KEYWORDS.includes(keyword)) return null
  const inside = section ?? []
  const written = inside.find(each => each.words[0] === 'address')?.words.slice(1)
  const address = keyword === 'floating' ? addressOf(rest) : written === undefined ? null : addressOf(written)
  const nodeId = numberOf(inside.find(each => each.words[0] === 'node-id')?.words[1])
  const common = { address, nodeId, volumes: volumesIn(inside) }
  switch (keyword) {
    case 'floating':
      return { kind: 'floating', names: [floatingName(rest)], ...common }
    case 'stacked-on-top-of':
      return { kind: 'stacked', names: [], ...common }
    case '_this_host':
      return { kind: 'this', names: ['_this_host'], ...common }
    default:
      return { kind: rest.includes('_this_host') ? 'this' : 'on', names: rest, ...common }
  }
}

/** The volumes that a section names, and the implicit volume 0 of a `device`, `disk` or `meta-disk` statement. */
export function volumesIn(section: readonly Statement[]): ReadonlyMap<string, VolumeSection> {
  const volumes = new Map<string, VolumeSection>()
  const add = (volume: string, statements: readonly Statement[]) => {
    const before = volumes.get(volume)
    const [disk] = statements.flatMap(each => diskOf(each) ?? [])
    const votes = !statements.some(({ words: [keyword, value] }) => keyword === 'tiebreaker' && value === 'no')
    volumes.set(volume, { hasDisk: disk ?? before?.hasDisk ?? null, votes: votes && before?.votes !== false })
  }
  for (const statement of section) {
    const [keyword = '', value] = statement.words
    if (keyword === 'volume') {
      const volume = numberOf(value) ?? value
      if (volume !== undefined) add(volume, statement.section ?? [])
    } else if (IMPLICIT_KEYWORDS.has(keyword) || diskOf(statement) !== null) add('0', [statement])
  }
  return volumes
}

/** A section with one of these keywords implies volume 0. */
const IMPLICIT_KEYWORDS: ReadonlySet<string> = new Set(['device', 'meta-disk', 'flexible-meta-disk', 'tiebreaker'])

/** True for `disk PATH;`, false for `disk none;`, `null` for other statements and for disk options. */
function diskOf({ words: [keyword, disk], section }: Pick<Statement, 'words' | 'section'>): boolean | null {
  return keyword !== 'disk' || disk === undefined || section !== null ? null : disk !== 'none'
}

export function isThisHost({ kind, names, address }: HostSection, { name, addresses }: HostIdentity): boolean {
  switch (kind) {
    case 'this':
      return true
    case 'on':
      return name !== null && names.some(each => isSameHostName(each, name))
    case 'floating': {
      const ip = address === null ? null : ipOf(address)
      return ip !== null && (addresses?.has(ip) === true || ip === name)
    }
    case 'stacked':
      return false
  }
}

/** True if the section can be for this host: a stacked resource can, and so can an address that is not up yet after a boot. */
export function mayBeThisHost({ kind }: HostSection, { name }: HostIdentity): boolean {
  return kind !== 'on' || name === null
}

/** Compares host names as hostnames_equal of drbdadm does: a name without a domain equals one with any domain; case is ignored. */
export function isSameHostName(a: string, b: string): boolean {
  const one = a.toLowerCase()
  const other = b.toLowerCase()
  if (one.includes('.') && other.includes('.')) return one === other
  return one.split('.', 1)[0] === other.split('.', 1)[0]
}

/** Normalises `[FAMILY] ADDRESS:PORT`. */
export function addressOf(words: readonly string[]): string {
  const [family = '', ...rest] = words
  const hasFamily = /^(ipv4|ipv6|sdp|ssocks|sci)$/.test(family)
  // In `host NAME address ADDRESS:PORT via proxy on …` more words follow the address.
  const end = rest.indexOf('via')
  const text = (hasFamily ? rest : words).slice(0, end === -1 ? undefined : end + (hasFamily ? 0 : 1)).join('')
  return `${hasFamily ? family : 'ipv4'} ${text}`
}

/** The name that drbdadm gives a host with only an address (parse_host_section). */
function floatingName(words: readonly string[]): string {
  const address = addressOf(words)
  return address.startsWith('ipv6 ') ? address : address.slice(address.indexOf(' ') + 1)
}

/** The address without family and port. */
function ipOf(address: string): string | null {
  const [, six, four] = /^\S+ (?:\[([^\]]+)\]|([^:]+)):\d+$/.exec(address) ?? []
  return six === undefined ? (four ?? null) : canonicalAddress(six)
}

/** Normalises an IP address. Removes the zone of a link-local address. */
export function canonicalAddress(address: string): string {
  const [bare = ''] = address.split('%', 1)
  if (!bare.includes(':')) return bare
  return URL.parse(`http://[${bare}]`)?.hostname.slice(1, -1) ?? bare.toLowerCase()
}

export function numberOf(text: string | undefined): string | null {
  return text !== undefined && /^\d{1,9}$/.test(text) ? String(Number(text)) : null
}
