import { parseJson } from '../../platform/json/parse-json.ts'
import type { MirrorListEntry } from '../../sync-query/report/report.ts'

/**
 * The key of `PBD.other_config` under which the coordinator keeps the peers that its host listed last. A host that is down or
 * silent lists nothing; without this memory a restart of the updater would forget where its other replicas are.
 */
export const KNOWN_PEERS_KEY = 'resync-monitor:peers'

/** A peer that no host is called: it stands for peers that are not known by name. */
const ANY_PEER = '?'
/** A pool has 64 hosts, each with a few names. */
const MAX_PEERS = 256
const MAX_TEXT_LENGTH = 16_384

const FOUND = new WeakMap<readonly MirrorListEntry[], readonly string[]>()

/** The names of the peers in a mirror list: each once, sorted, without the reporting host itself. */
export function listedPeers(list: readonly MirrorListEntry[]): readonly string[] {
  const known = FOUND.get(list)
  if (known !== undefined) return known
  const names = new Set(list.flatMap(({ replicas }) => replicas.map(({ peer }) => peer)))
  names.delete('self')
  const peers = [...names].sort()
  FOUND.set(list, peers)
  return peers
}

/** The text to keep. Names that do not fit become one that means any host. */
export function encodeKnownPeers(peers: readonly string[]): string {
  const text = JSON.stringify(peers)
  return peers.length > MAX_PEERS || text.length > MAX_TEXT_LENGTH ? JSON.stringify([ANY_PEER]) : text
}

/** `null`: the text is not a list of names, so nothing is known. */
export function decodeKnownPeers(text: string | undefined): readonly string[] | null {
  if (text === undefined) return null
  const parsed = parseJson(text, MAX_TEXT_LENGTH)
  const value = 'value' in parsed ? parsed.value : null
  return Array.isArray(value) && value.length <= MAX_PEERS && value.every(isName) ? value : null
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
