import { isUuid } from '../platform/text/uuid.ts'
import { backendFailure } from './smapi-error.ts'

/** Which mirrors an SR of this type stands for, as the agent has to watch them. */
export interface SrWatch {
  /** UUID of the SR itself. */
  readonly uuid: string
  /** UUID of another SR, one of the agent's own configuration, whose mirrors it has. `null`: those below. */
  readonly sameAs: string | null
  /** DRBD resources by name; `*` stands for any run of characters. One without `*` must be there. */
  readonly drbd: readonly string[]
  /** md arrays by UUID, kernel name or device, with `*` as above. One without `*` must be there. */
  readonly md: readonly string[]
  /** Peers that are no part of the SR's redundancy. */
  readonly ignorePeers: readonly string[]
  /** The host may have no mirror of the SR. */
  readonly allowEmpty: boolean
}

/** The key that carries an SR's UUID to the hosts that attach it: they are given nothing but the configuration. */
export const UUID_KEY = 'sr_uuid'

/** What the SR was called when it was created: no host but that one is told by anything else. */
export interface FirstWords {
  readonly name?: string
  readonly description?: string
}

/** The keys of plugin.json's `configuration`. */
export const KEYS: ReadonlySet<string> = new Set([
  UUID_KEY,
  'sr',
  'drbd',
  'md',
  'ignorePeers',
  'allowEmpty',
  'name',
  'description',
])
const MAX_PATTERNS = 1_000
const MAX_PATTERN_LENGTH = 256

/**
 * Reads the configuration of the SR `uuid`.
 * @throws SmapiError naming the key: an unknown key may be a misspelt one, and then mirrors would go unwatched
 */
export function parseSrConfiguration(uuid: string, configuration: Readonly<Record<string, string>>): SrWatch {
  const unknown = Object.keys(configuration).find(key => !KEYS.has(key))
  if (unknown !== undefined) throw backendFailure(`configuration: the key ${unknown} is not known`)
  const { [UUID_KEY]: named, sr, drbd = '', md = '', ignorePeers = '', allowEmpty = 'false' } = configuration
  if (named !== undefined && parseUuid(UUID_KEY, named) !== uuid)
    throw backendFailure(`configuration: ${UUID_KEY} is that of another SR`)
  const watch = {
    uuid,
    sameAs: sr === undefined ? null : parseUuid('sr', sr),
    drbd: parseList('drbd', drbd),
    md: parseList('md', md),
    ignorePeers: parseList('ignorePeers', ignorePeers),
    allowEmpty: parseFlag('allowEmpty', allowEmpty),
  }
  const own = watch.drbd.length + watch.md.length
  // An SR without mirrors would be in sync for ever.
  if (watch.sameAs === null && own === 0) throw backendFailure('configuration: one of sr, drbd and md must be there')
  if (watch.sameAs !== null && own + watch.ignorePeers.length > 0)
    throw backendFailure('configuration: sr excludes drbd, md and ignorePeers')
  if (watch.sameAs === uuid) throw backendFailure('configuration: sr is the SR itself')
  return watch
}

/** A UUID in lower case. @throws SmapiError naming the key */
export function parseUuid(key: string, text: string): string {
  if (!isUuid(text)) throw backendFailure(`${key} must be a UUID`)
  return text.toLowerCase()
}

function parseFlag(key: string, text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  throw backendFailure(`configuration: ${key} must be true or false`)
}

/** Names separated by commas or blanks: a toolstack's configuration has only strings. */
function parseList(key: string, text: string): readonly string[] {
  const names = text.split(/[\s,]+/).filter(name => name !== '')
  if (names.length > MAX_PATTERNS) throw backendFailure(`configuration: ${key} has more than ${MAX_PATTERNS} names`)
  if (names.some(name => name.length > MAX_PATTERN_LENGTH))
    throw backendFailure(`configuration: a name in ${key} has more than ${MAX_PATTERN_LENGTH} characters`)
  return names
}
