import type { ConfiguredPeer, ConfiguredPeers } from '../../sync-query/judge/configured-peers.ts'
import { connectionsOf, shorten } from './config-connections.ts'
import {
  HOST_KEYWORDS,
  type HostIdentity,
  type HostSection,
  hostSection,
  isThisHost,
  mayBeThisHost,
  type VolumeSection,
  volumesIn,
} from './config-hosts.ts'
import type { Statement } from './config-statements.ts'

/** A DRBD volume that the configuration defines for this host. */
export interface ConfiguredVolume {
  /** `resource/volume` */
  readonly mirror: string
  /** Volumes of one resource with the same peers share one object. */
  readonly peers: ConfiguredPeers
}

/** Limits the text that a file can put into a report. */
export const MAX_DOUBT = 240

/** The statements that drbdadm accepts in a resource. */
const KEYWORDS: ReadonlySet<string> = new Set([
  ...HOST_KEYWORDS,
  ...'connection connection-mesh volume device disk meta-disk flexible-meta-disk'.split(' '),
  ...'net options startup syncer handlers proxy protocol template-file ignore-on'.split(' '),
])

/**
 * Returns the volumes of a resource on this host with their peers, by the rules of drbdadm (drbdadm_postparse.c): explicit
 * connections, those of a `connection-mesh`, and the implicit connection between two hosts. Input that is not understood adds a doubt
 * to the volumes and never removes peers.
 *
 * Returns nothing for a resource whose host sections are all for other hosts: all hosts have the same files.
 */
export function volumesOfResource(name: string, { section, isCut }: Statement, host: HostIdentity): ConfiguredVolume[] {
  const statements = section ?? []
  const doubts: string[] = []
  const hosts = statements.flatMap(each => hostSection(each) ?? [])
  const own = hosts.filter(each => isThisHost(each, host))
  const possible = own.length > 0 ? own : hosts.filter(each => mayBeThisHost(each, host))
  // The missing rest may contain the section for this host.
  if (hosts.length > 0 && possible.length === 0 && !isCut) return []
  const ofResource = volumesIn(statements)
  const volumes = new Set([...ofResource.keys(), ...possible.flatMap(each => [...each.volumes.keys()])])
  if (volumes.size === 0) {
    // LINSTOR writes resources without volumes.
    if (!isCut && possible.some(({ nodeId }) => nodeId !== null)) return []
    volumes.add('0')
  }
  if (isCut) doubts.push('its file is incomplete')
  for (const { words } of statements) {
    const [keyword = ''] = words
    if (!KEYWORDS.has(keyword)) doubts.push(`the statement ${shorten(keyword)} is unknown`)
  }
  const peers = peersOf(hosts, possible, own, statements, doubts)
  const doubt = doubts[0] === undefined ? null : `resource ${name}: ${doubts[0]}`.slice(0, MAX_DOUBT)
  const shared = new Map<string, ConfiguredPeers>()
  return [...volumes].map(volume => {
    const of = (section: HostSection | null): VolumeSection => {
      // The disk of a stacked resource is the lower resource.
      if (section === null || section.kind === 'stacked') return { hasDisk: true, votes: true }
      const written = section.volumes.get(volume)
      const inherited = ofResource.get(volume)
      const hasDisk = written?.hasDisk ?? inherited?.hasDisk ?? false
      return { hasDisk, votes: hasDisk || (written?.votes !== false && inherited?.votes !== false) }
    }
    const ofVolume = peers.map(({ section, nodeId, names }): ConfiguredPeer => {
      const { hasDisk, votes } = of(section)
      return { nodeId, names, diskless: hasDisk !== true, ...(votes ? {} : { votes }) }
    })
    const ownVotes = of(own[0] ?? null).votes
    const key = `${ownVotes} ${ofVolume.map(({ diskless, votes = true }) => `${diskless} ${votes}`).join()}`
    const known = shared.get(key) ?? { peers: ofVolume, doubt, ...(ownVotes ? {} : { ownVotes }) }
    shared.set(key, known)
    return { mirror: `${name}/${volume}`, peers: known }
  })
}

interface FoundPeer {
  readonly section: HostSection | null
  readonly nodeId: string | null
  readonly names: readonly string[]
}

const UNNAMED_PEER: FoundPeer = { section: null, nodeId: null, names: [] }

function peersOf(
  hosts: readonly HostSection[],
  possible: readonly HostSection[],
  own: readonly HostSection[],
  statements: readonly Statement[],
  doubts: string[],
): readonly FoundPeer[] {
  const connections = statements.flatMap(each => connectionsOf(each, hosts, doubts))
  // drbdadm rejects a resource that names no host. The only possible meaning is that some host has the other replica.
  if (hosts.length === 0 && connections.length === 0) return [UNNAMED_PEER]
  if (own.length > 1) doubts.push('it has more than one section for this host')
  const self = own.length > 1 ? undefined : (own[0] ?? (possible.length === 1 ? possible[0] : undefined))
  if (connections.length === 0) {
    if (hosts.length > 2) {
      doubts.push(`it names ${hosts.length} hosts and no connection between them: drbdadm connects none`)
      return []
    }
    const [other] = hosts.filter(each => each !== self)
    if (hosts.length === 1 || other === undefined) return []
    // Two hosts: whichever this host is, the other one is the peer.
    return self === undefined ? [UNNAMED_PEER] : [found(other, [])]
  }
  if (self === undefined) {
    doubts.push(
      possible.length === 0 ? 'it has no section for this host' : 'it is not clear which section is for this host',
    )
    return []
  }
  const me = hosts.indexOf(self)
  const peers = new Map<HostSection | string, FoundPeer>()
  for (const { ends, peerNodeId, names } of connections) {
    if (peerNodeId !== null) {
      peers.set(peerNodeId, { section: null, nodeId: peerNodeId, names })
      continue
    }
    const [a, b] = ends.map(([end]) => end)
    const there = a === me ? b : b === me ? a : undefined
    const other = there === undefined ? undefined : hosts[there]
    if (other !== undefined) peers.set(other, found(other, names))
  }
  return [...peers.values()]
}

/** @param names the connection's own names, which the kernel shows in place of the host's */
function found(section: HostSection, names: readonly string[]): FoundPeer {
  const ofHost = section.kind === 'stacked' ? [] : [section.names.join('_')]
  return { section, nodeId: section.nodeId, names: names.length > 0 ? names : ofHost }
}
