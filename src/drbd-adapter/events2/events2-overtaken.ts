import type { DrbdDoubt } from '../../sync-query/judge/drbd.ts'
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

/** An object that a dump has announced, with the words that it told of it. */
interface Announced {
  readonly of: { doubts: readonly DrbdDoubt[] }
  readonly told: Words
}

/** The object that a line is about, as far as it was announced; `null`: it was not. */
function announced(resource: ResourceState, { object, peerNodeId = '', volume = '' }: Events2Change): Announced | null {
  if (object === 'connection') {
    const peer = ofPeer(resource.peers, peerNodeId)
    return peer?.announced === true ? { of: peer, told: { connection: peer.connection } } : null
  }
  const device = resource.devices.get(volume)
  if (object === 'device') {
    if (device?.announced !== true) return null
    const { disk, client, quorum } = device
    return { of: device, told: { disk, client, quorum } }
  }
  const seen = device === undefined ? undefined : ofPeer(device.peerDevices, peerNodeId)
  if (seen === undefined) return null
  const { replication, peerDisk, client: peerClient, resyncSuspended } = seen
  return { of: seen, told: { replication, peerDisk, peerClient, resyncSuspended } }
}

/**
 * An event may overtake the dump that announces its object, which then tells an older state (8.4.11, recorded). Which of
 * the two is true cannot be known, so each word on which they differ is doubted until a later line says it again.
 *
 * @returns `agrees`: the dump tells the same; `differs`: it tells other words; `gone`: it announces what the line says is gone;
 *   `unannounced`: it did not announce the object
 */
export function doubtOvertaken(
  resource: ResourceState,
  line: Events2Change,
): 'agrees' | 'differs' | 'gone' | 'unannounced' {
  const { verb, object } = line
  if (object === 'resource') return verb === 'destroy' || verb === 'rename' ? 'gone' : 'agrees'
  if (object === 'path') return 'agrees'
  const found = announced(resource, line)
  if (verb === 'destroy') return found === null ? 'agrees' : 'gone'
  if (found === null || (object === 'peer-device' && resource.devices.get(line.volume ?? '')?.announced !== true))
    return 'unannounced'
  return doubt(found, line)
}

/** What was told of the object of an `exists` before that came: `create` and changes after it have overtaken it. */
export function toldBefore(resource: ResourceState, line: Events2Change): Words | null {
  return announced(resource, line)?.told ?? null
}

/** Doubts the words in which an `exists` differs from what was told before. */
export function doubtOlder(resource: ResourceState, line: Events2Change, before: Words): 'agrees' | 'differs' {
  const found = announced(resource, line)
  return found === null ? 'agrees' : doubt(found, before)
}

/** Some word is still doubted because a change overtook the dump. */
export function isOvertaken({ peers, devices }: ResourceState): boolean {
  const isDoubted = ({ doubts }: { doubts: readonly DrbdDoubt[] }) =>
    doubts.some(({ code }) => code === 'contradiction')
  if (peers.some(isDoubted)) return true
  for (const device of devices.values()) if (isDoubted(device) || device.peerDevices.some(isDoubted)) return true
  return false
}

function doubt({ of, told }: Announced, early: Words): 'agrees' | 'differs' {
  const found = keysOf(told).flatMap((key): DrbdDoubt[] => {
    const word = early[key] ?? null
    if (word === null || word === told[key]) return []
    return [{ code: 'contradiction', field: FIELDS[key], word }]
  })
  of.doubts = [...of.doubts, ...found]
  return found.length === 0 ? 'agrees' : 'differs'
}

export type Words = { readonly [Key in keyof typeof FIELDS]?: string | null | undefined }

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
