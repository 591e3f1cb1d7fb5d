import { UUID_PATTERN } from '../platform/text/uuid.ts'
/** DRBD resources whose names belong together. */
export interface DrbdGroup {
  /** Names; `*` matches any characters. */
  readonly patterns: readonly string[]
  /** A description for people. */
  readonly what: string
}

/** The prefixes of programs that create many resources. */
const MAKERS: readonly { readonly what: string; readonly prefixes: readonly string[] }[] = [
  // LINSTOR in XCP-ng: virtual disks and its own databases
  { what: 'DRBD resources of XOSTOR', prefixes: ['xcp-volume-', 'xcp-persistent-'] },
  { what: 'DRBD resources of Kubernetes', prefixes: ['pvc-'] },
  { what: 'DRBD resources of Proxmox VE', prefixes: ['pm-', 'vm-'] },
]
/** The variable end of generated names: a UUID, hex digits by themselves, or decimal digits. */
const SERIAL = new RegExp(`(?:${UUID_PATTERN}|(?<![0-9a-z])(?=[a-f]*[0-9])[0-9a-f]{8,}|[0-9]+)$`, 'i')
/** Names without a common stem are listed one by one. A longer list would exceed what an SR's configuration may contain. */
const MAX_LISTED = 100

/** Groups resources by the program that created them, the largest group first. Every resource is in one group. */
export function drbdGroups(names: readonly string[]): readonly DrbdGroup[] {
  const groups = Map.groupBy(names, name => makerOf(name)?.what ?? name.replace(SERIAL, '*'))
  return [...groups]
    .toSorted(([, one], [, other]) => other.length - one.length)
    .map(([key, members]) => groupOf(key, members))
}

function makerOf(name: string) {
  return MAKERS.find(({ prefixes }) => prefixes.some(prefix => name.startsWith(prefix)))
}

function groupOf(key: string, members: readonly string[]): DrbdGroup {
  const maker = MAKERS.find(({ what }) => what === key)
  if (maker !== undefined) {
    const present = maker.prefixes.filter(prefix => members.some(name => name.startsWith(prefix)))
    return { patterns: present.map(prefix => `${prefix}*`), what: maker.what }
  }
  const [only = key, ...more] = members
  if (more.length === 0) return { patterns: [only], what: `DRBD resource ${only}` }
  // The name is only a number: `*` would match every resource.
  if (key === '*' && members.length <= MAX_LISTED) {
    return { patterns: members, what: `DRBD resources ${members.join(' ')}` }
  }
  return { patterns: [key], what: `DRBD resources ${key}` }
}
