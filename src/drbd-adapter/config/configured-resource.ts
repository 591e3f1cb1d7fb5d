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

/** A DRBD volume that this host should have, by its configuration. */
export interface ConfiguredVolume {
  /** `resource/volume` */
  readonly mirror: string
  /** Volumes of one resource with the same peers share one object. */
  readonly peers: ConfiguredPeers
}

/** So that a report has room for it, whatever a file says. */
export const MAX_DOUBT = 240

/** The statements that drbdadm reads in a resource. */
const KEYWORDS: ReadonlySet<string> = new Set([
  ...HOST_KEYWORDS,
  ...'connection connection-mesh volume device disk meta-disk flexible-meta-disk'.split(' '),
  ...'net options startup syncer handlers proxy protocol template-file ignore-on'.split(' '),
])
/**
 * The volumes of a resource that this host should have, each with its peers, by the rules of drbdadm (drbdadm_postparse.c):
 * connections that are written out, those of a `connection-mesh`, and between two hosts the implicit one. What is not
 * understood leaves a doubt at its volumes, never fewer peers.
 *
 * A resource whose host sections are all for other hosts is none of this host's: files are copied to all hosts alike.
 */
export function volumesOfResource(name: string, { section, isCut }: Statement, host: HostIdentity): ConfiguredVolume[] {
  const statements = section ?? []
  const doubts: string[] = []
  const hosts = statements.flatMap(each => hostSection(each) ?? [])
  const own = hosts.filter(each => isThisHost(each, host))
  const possible = own.length > 0 ? own : hosts.filter(each => mayBeThisHost(each, host))
  // Its section for this host may stand in what is cut off.
  if (hosts.length > 0 && possible.length === 0 && !isCut) return []
  const ofResource = volumesIn(statements)
  const volumes = new Set([...ofResource.keys(), ...possible.flatMap(each => [...each.volumes.keys()])])
  if (volumes.size === 0) {
    // LINSTOR writes resources that have no volumes yet.
    if (!isCut && possible.some(({ nodeId }) => nodeId !== null)) return []
    volumes.add('0')
  }
  if (isCut) doubts.push('its file is not written to its end')
  for (const { words } of statements) {
    const [keyword = ''] = words
    if (!KEYWORDS.has(keyword)) doubts.push(`the statement ${shorten(keyword)} is not known`)
  }
  const peers = peersOf(hosts, possible, own, statements, doubts)
  const doubt = doubts[0] === undefined ? null : `resource ${name}: ${doubts[0]}`.slice(0, MAX_DOUBT)
  const shared = new Map<string, ConfiguredPeers>()
  return [...volumes].map(volume => {
    const of = (section: HostSection | null): VolumeSection => {
      // The disk of a stacked resource is the one below.
      if (section === null || section.kind === 'stacked') return { hasDisk: true, votes: true }
      const its = section.volumes.get(volume)
      const inherited = ofResource.get(volume)
      const hasDisk = its?.hasDisk ?? inherited?.hasDisk ?? false
      return { hasDisk, votes: hasDisk || (its?.votes !== false && inherited?.votes !== false) }
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

const SOMEBODY: FoundPeer = { section: null, nodeId: null, names: [] }

function peersOf(
  hosts: readonly HostSection[],
  possible: readonly HostSection[],
  own: readonly HostSection[],
  statements: readonly Statement[],
  doubts: string[],
): readonly FoundPeer[] {
  const connections = statements.flatMap(each => connectionsOf(each, hosts, doubts))
  // drbdadm refuses a resource that names no host. All that it can mean is that somebody has the other copy.
  if (hosts.length === 0 && connections.length === 0) return [SOMEBODY]
  if (own.length > 1) doubts.push('it has more than one section for this host')
  const self = own.length > 1 ? undefined : (own[0] ?? (possible.length === 1 ? possible[0] : undefined))
  if (connections.length === 0) {
    if (hosts.length > 2) {
      doubts.push(`it names ${hosts.length} hosts and no connection between them: drbdadm connects none`)
      return []
    }
    const [other] = hosts.filter(each => each !== self)
    if (hosts.length === 1 || other === undefined) return []
    // One of two, whichever this host is.
    return self === undefined ? [SOMEBODY] : [found(other, [])]
  }
  if (self === undefined) {
    doubts.push(possible.length === 0 ? 'it has no section for this host' : 'no section is for this host beyond doubt')
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

/** @param names the connection's own, which the kernel would show in place of the host's */
function found(section: HostSection, names: readonly string[]): FoundPeer {
  const ofHost = section.kind === 'stacked' ? [] : [section.names.join('_')]
  return { section, nodeId: section.nodeId, names: names.length > 0 ? names : ofHost }
}
