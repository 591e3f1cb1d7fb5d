import { addressOf, type HostSection, isSameHostName, numberOf } from './config-hosts.ts'
import type { Statement } from './config-statements.ts'

export interface ConfiguredConnection {
  /** Indexes of its two host sections. Empty if only the node id of the peer is given. */
  readonly ends: readonly (readonly number[])[]
  readonly peerNodeId: string | null
  readonly names: readonly string[]
}

const MAX_WORD = 60

/** The connections that one statement defines. */
export function connectionsOf(
  statement: Statement,
  hosts: readonly HostSection[],
  doubts: string[],
): readonly ConfiguredConnection[] {
  const [keyword, given] = statement.words
  const section = statement.section ?? []
  if (keyword === 'connection-mesh') return meshOf(section, hosts, doubts)
  if (keyword !== 'connection') return []
  const name = netNameIn(section)
  // drbdadm before 9 used this name for the connection; later versions ignore it.
  const names = name !== null ? [name] : given === undefined ? [] : [given, ...hostNames(section, hosts)]
  const peerNodeId = numberOf(section.find(({ words }) => words[0] === '_peer_node_id')?.words[1])
  if (peerNodeId !== null) return [{ ends: [], peerNodeId, names }]
  const paths = section.filter(({ words }) => words[0] === 'path')
  const direct = section.filter(({ words }) => isEnd(words[0]))
  for (const { words } of section) {
    if (!isKnownInConnection(words[0])) doubts.push(`a connection has the unknown statement ${shorten(words[0])}`)
  }
  const endLists = [
    ...(direct.length > 0 || paths.length === 0 ? [direct] : []),
    ...paths.map(path => path.section ?? []),
  ]
  return endLists.map(list => {
    const ends = list.filter(({ words }) => isEnd(words[0])).map(({ words }) => endOf(words, hosts))
    if (ends.length !== 2 || ends.some(end => end.length !== 1) || ends[0]?.[0] === ends[1]?.[0]) {
      doubts.push('the two hosts of a connection are not clear')
    }
    return { ends, peerNodeId: null, names }
  })
}

function meshOf(
  section: readonly Statement[],
  hosts: readonly HostSection[],
  doubts: string[],
): readonly ConfiguredConnection[] {
  const name = netNameIn(section)
  const names = name === null ? [] : [name]
  const connections: ConfiguredConnection[] = []
  for (const { words } of section) {
    const [keyword, ...named] = words
    if (keyword === 'net') continue
    if (keyword !== 'hosts') {
      doubts.push(`a connection-mesh has the unknown statement ${shorten(keyword)}`)
      continue
    }
    const ends = named.map(each => endNamed(each, hosts))
    if (ends.some(end => end.length !== 1)) doubts.push('a host of a connection-mesh has no section')
    for (const [index, one] of ends.entries()) {
      for (const other of ends.slice(index + 1)) {
        if (one[0] !== other[0]) connections.push({ ends: [one, other], peerNodeId: null, names })
      }
    }
  }
  return connections
}

/** Parses `host NAME [address …] [port …] [via proxy …]` or `address ADDRESS`. @returns indexes of the matching host sections */
function endOf([keyword, name, ...more]: readonly string[], hosts: readonly HostSection[]): readonly number[] {
  if (keyword === 'address') {
    const address = addressOf([name ?? '', ...more])
    return hosts.flatMap((each, index) => (each.address === address ? [index] : []))
  }
  if (name === undefined || (more.length > 0 && !['address', 'port', 'via'].includes(more[0] ?? ''))) return []
  return endNamed(name, hosts)
}

function endNamed(name: string, hosts: readonly HostSection[]): readonly number[] {
  return hosts.flatMap((each, index) => (each.names.some(own => isSameHostName(own, name)) ? [index] : []))
}

function hostNames(section: readonly Statement[], hosts: readonly HostSection[]): readonly string[] {
  const named = section.flatMap(({ words }) => (isEnd(words[0]) ? endOf(words, hosts) : []))
  return named.flatMap(index => hosts[index]?.names.join('_') ?? [])
}

function isEnd(keyword: string | undefined): boolean {
  return keyword === 'host' || keyword === 'address'
}

const IN_CONNECTION: ReadonlySet<string> = new Set(
  'host address path net disk volume _this_host _remote_host _peer_node_id _is_standalone'.split(' '),
)

function isKnownInConnection(keyword = ''): boolean {
  return IN_CONNECTION.has(keyword)
}

/** The connection name in `net { _name NAME; }`. */
function netNameIn(section: readonly Statement[]): string | null {
  for (const { words, section: net } of section) {
    if (words[0] !== 'net') continue
    const named = net?.find(each => each.words[0] === '_name')?.words[1]
    if (named !== undefined) return named
  }
  return null
}

export function shorten(word = '{'): string {
  return word.slice(0, MAX_WORD)
}
