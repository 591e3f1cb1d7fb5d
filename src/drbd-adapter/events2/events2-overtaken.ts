import type { DrbdDoubt } from '../../sync-query/judge/drbd.ts'
import type { Events2Change } from './events2-line.ts'
import { ofPeer, type ResourceState } from './events2-tree.ts'

/** The words that decide the state, with the keys that drbdsetup prints them under. */
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

export type DecidingWords = { readonly [Key in keyof typeof FIELDS]?: string | null | undefined }

/** An object that has been announced, with its words. */
interface Announced {
  readonly object: { doubts: readonly DrbdDoubt[] }
  readonly words: DecidingWords
}

/** The object that a line is about; `null`: it has not been announced. */
function announced(resource: ResourceState, { object, peerNodeId = '', volume = '' }: Events2Change): Announced | null {
  if (object === 'connection') {
    const peer = ofPeer(resource.peers, peerNodeId)
    return peer?.announced === true ? { object: peer, words: { connection: peer.connection } } : null
  }
  const device = resource.devices.get(volume)
  if (object === 'device') {
    if (device?.announced !== true) return null
    const { disk, client, quorum } = device
    return { object: device, words: { disk, client, quorum } }
  }
  const seen = device === undefined ? undefined : ofPeer(device.peerDevices, peerNodeId)
  if (seen === undefined) return null
  const { replication, peerDisk, client: peerClient, resyncSuspended } = seen
  return { object: seen, words: { replication, peerDisk, peerClient, resyncSuspended } }
}

/**
 * Compares an event with the dump that came after it. An event can overtake the dump that announces its object; the dump then has an
 * older state (8.4.11, recorded). Which of the two is current is unknown, so each word on which they differ is doubted until a later
 * line has it again.
 *
 * @returns `agrees`: the dump has the same words; `differs`: it has others; `gone`: it announces an object that the event destroyed;
 *   `unannounced`: it does not announce the object
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

/** The words of an object before its `exists` line: a `create` and changes after it have overtaken that line. `null`: it has none. */
export function wordsBefore(resource: ResourceState, line: Events2Change): DecidingWords | null {
  return announced(resource, line)?.words ?? null
}

/** Doubts the words in which an `exists` line differs from the words before it. */
export function doubtDifferences(
  resource: ResourceState,
  line: Events2Change,
  before: DecidingWords,
): 'agrees' | 'differs' {
  const found = announced(resource, line)
  return found === null ? 'agrees' : doubt(found, before)
}

/** A word is still doubted because a change overtook the dump. */
export function isOvertaken({ peers, devices }: ResourceState): boolean {
  const isDoubted = ({ doubts }: { doubts: readonly DrbdDoubt[] }) =>
    doubts.some(({ code }) => code === 'contradiction')
  if (peers.some(isDoubted)) return true
  for (const device of devices.values()) if (isDoubted(device) || device.peerDevices.some(isDoubted)) return true
  return false
}

function doubt({ object, words }: Announced, early: DecidingWords): 'agrees' | 'differs' {
  const found = keysOf(words).flatMap((key): DrbdDoubt[] => {
    const word = early[key] ?? null
    if (word === null || word === words[key]) return []
    return [{ code: 'contradiction', field: FIELDS[key], word }]
  })
  object.doubts = [...object.doubts, ...found]
  return found.length === 0 ? 'agrees' : 'differs'
}

/** The remaining doubts of an object after a later line has some of its words. */
export function settleOvertaken(doubts: readonly DrbdDoubt[], line: DecidingWords): readonly DrbdDoubt[] {
  if (doubts.length === 0) return doubts
  const settled = new Set<string | undefined>(
    keysOf(FIELDS)
      .filter(key => line[key] !== undefined)
      .map(key => FIELDS[key]),
  )
  return doubts.filter(({ code, field }) => code !== 'contradiction' || !settled.has(field))
}

function keysOf(words: DecidingWords): (keyof typeof FIELDS)[] {
  return Object.keys(words).filter((key): key is keyof typeof FIELDS => key in FIELDS)
}
