import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalAddress, type HostIdentity } from './config-hosts.ts'

/** Reads the name and addresses by which DRBD's configuration refers to this host. @param root the directory that stands for `/` */
export async function readHostIdentity(root: string): Promise<HostIdentity> {
  const [name, four, six] = await Promise.all([
    read(root, 'proc/sys/kernel/hostname'),
    read(root, 'proc/net/fib_trie'),
    read(root, 'proc/net/if_inet6'),
  ])
  const addresses = four === null ? null : new Set([...localIpv4(four), ...localIpv6(six ?? '')].sort())
  return { name: name?.trim() || null, addresses }
}

/** The leaves of the routing table that are this host's own addresses. */
function localIpv4(fibTrie: string): string[] {
  const leaves = fibTrie.matchAll(/\|-- (\d+\.\d+\.\d+\.\d+)\n(?:\s+\/\d+ (?!host LOCAL).*\n)*\s+\/32 host LOCAL/g)
  return Array.from(leaves, ([, address = '']) => address)
}

/** Parses lines of 32 hex digits, interface number, prefix length, scope, flags and interface name. */
function localIpv6(ifInet6: string): string[] {
  const lines = ifInet6.matchAll(/^([0-9a-f]{32}) /gm)
  return Array.from(lines, ([, digits = '']) => canonicalAddress(digits.replace(/(.{4})(?!$)/g, '$1:')))
}

async function read(root: string, path: string): Promise<string | null> {
  try {
    return await readFile(join(root, path), 'utf8')
  } catch {
    return null
  }
}
