import { parseJson } from '../../platform/json/parse-json.ts'
import type { MirrorListEntry } from '../../sync-query/report/report.ts'

/**
 * The key of `PBD.other_config` under which the coordinator keeps the names of the peers in the last mirror list of the PBD's host.
 * A host that is down or silent sends no list. Without this key a restart of the updater would lose where its other replicas are.
 */
export const KNOWN_PEERS_KEY = 'resync-monitor:peers'

/** A name that no host has: it stands for peers whose names are not known. */
const ANY_PEER = '?'
/** A pool has at most 64 hosts, each with a few names. */
const MAX_PEERS = 256
const MAX_TEXT_LENGTH = 16_384

const PEERS = new WeakMap<readonly MirrorListEntry[], readonly string[]>()

/** The distinct names of the peers in a mirror list, sorted, without the reporting host itself. */
export function listedPeers(list: readonly MirrorListEntry[]): readonly string[] {
  const known = PEERS.get(list)
  if (known !== undefined) return known
  const names = new Set(list.flatMap(({ replicas }) => replicas.map(({ peer }) => peer)))
  names.delete('self')
  const peers = [...names].sort()
  PEERS.set(list, peers)
  return peers
}

/** The text to store. If the names do not fit, the text holds one name that stands for any host. */
export function encodeKnownPeers(peers: readonly string[]): string {
  const text = JSON.stringify(peers)
  return peers.length > MAX_PEERS || text.length > MAX_TEXT_LENGTH ? JSON.stringify([ANY_PEER]) : text
}

/** The stored names; `null` if the text is absent or is not a list of names. */
export function decodeKnownPeers(text: string | undefined): readonly string[] | null {
  if (text === undefined) return null
  const parsed = parseJson(text, MAX_TEXT_LENGTH)
  const value = 'value' in parsed ? parsed.value : null
  return Array.isArray(value) && value.length <= MAX_PEERS && value.every(isName) ? value : null
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
