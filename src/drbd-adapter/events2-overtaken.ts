import type { DrbdDoubt } from '../sync-query/drbd.ts'
import type { Events2Change } from './events2-line.ts'
import { ofPeer, type ResourceState } from './events2-tree.ts'

/** The words that decide, by the key that says them. */
const FIELDS = {
  connection: 'connection',
  disk: 'disk',
  client: 'client',
  quorum: 'quorum',
  replication: 'replication',
  peerDisk: 'peer-disk',
  peerClient: 'peer-client',
  resyncSuspended: 'resync-suspended',
} as const

/**
 * A `change` may overtake the dump that announces its object, which then tells an older state (8.4.11, recorded). Which of
 * the two is true cannot be known, so each word on which they differ is doubted until a later line says it again.
 *
 * @returns `agrees`: the dump tells the same; `unannounced`: it did not announce the object
 */
export function doubtOvertaken(resource: ResourceState, line: Events2Change): 'agrees' | 'differs' | 'unannounced' {
  const { object, peerNodeId = '', volume = '' } = line
  if (object === 'resource' || object === 'path') return 'agrees'
  if (object === 'connection') {
    const peer = ofPeer(resource.peers, peerNodeId)
    return peer?.announced === true ? doubt(peer, line, { connection: peer.connection }) : 'unannounced'
  }
  const device = resource.devices.get(volume)
  if (device?.announced !== true) return 'unannounced'
  if (object === 'device') {
    const { disk, client, quorum } = device
    return doubt(device, line, { disk, client, quorum })
  }
  const seen = ofPeer(device.peerDevices, peerNodeId)
  if (seen === undefined) return 'unannounced'
  const { replication, peerDisk, client: peerClient, resyncSuspended } = seen
  return doubt(seen, line, { replication, peerDisk, peerClient, resyncSuspended })
}

/** Some word is still doubted because a change overtook the dump. */
export function isOvertaken({ peers, devices }: ResourceState): boolean {
  const isDoubted = ({ doubts }: { doubts: readonly DrbdDoubt[] }) =>
    doubts.some(({ code }) => code === 'contradiction')
  if (peers.some(isDoubted)) return true
  for (const device of devices.values()) if (isDoubted(device) || device.peerDevices.some(isDoubted)) return true
  return false
}

function doubt(of: { doubts: readonly DrbdDoubt[] }, line: Events2Change, told: Words): 'agrees' | 'differs' {
  const found = keysOf(told).flatMap((key): DrbdDoubt[] => {
    const early = line[key]
    if (early === undefined || early === told[key]) return []
    return [{ code: 'contradiction', field: FIELDS[key], word: early }]
  })
  of.doubts = [...of.doubts, ...found]
  return found.length === 0 ? 'agrees' : 'differs'
}

type Words = { readonly [Key in keyof typeof FIELDS]?: string | null | undefined }

/** What remains of the doubts of an object when a later line says some of its words anew. */
export function settleOvertaken(doubts: readonly DrbdDoubt[], line: Words): readonly DrbdDoubt[] {
  if (doubts.length === 0) return doubts
  const said = new Set<string | undefined>(
    keysOf(FIELDS)
      .filter(key => line[key] !== undefined)
      .map(key => FIELDS[key]),
  )
  return doubts.filter(({ code, field }) => code !== 'contradiction' || !said.has(field))
}

function keysOf(words: Words): (keyof typeof FIELDS)[] {
  return Object.keys(words).filter((key): key is keyof typeof FIELDS => key in FIELDS)
}
