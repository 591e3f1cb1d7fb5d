import { isUuid } from '../platform/text/uuid.ts'
import { backendFailure } from './smapi-error.ts'

/** The mirrors that an SR of this type stands for, which the agent watches. */
export interface SrWatch {
  /** UUID of the SR itself. */
  readonly uuid: string
  /** UUID of another SR, from the agent's configuration, whose mirrors this SR stands for. `null`: the mirrors below. */
  readonly sameAs: string | null
  /** Names of DRBD resources; `*` matches any characters. A resource that is named without `*` must exist. */
  readonly drbd: readonly string[]
  /** md arrays by UUID, kernel name or device, with `*` as above. An array that is named without `*` must exist. */
  readonly md: readonly string[]
  /** Peers that do not count for the SR's redundancy. */
  readonly ignorePeers: readonly string[]
  /** The host may have no mirror of the SR without the SR being `unknown`. */
  readonly allowEmpty: boolean
}

/** The key that carries the UUID of an SR to the hosts that attach it: they get only the configuration. */
export const UUID_KEY = 'sr_uuid'

/** The name and description from SR.create. Only through the configuration do other hosts learn them. */
export interface CreatedNames {
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
/**
 * A sentinel stands for all DRBD volumes of its hosts: one that named none would always be in sync. md arrays are named explicitly, because
 * a host may have one of local disks only, for its own system.
 */
const SENTINEL_PATTERNS: readonly string[] = ['*']

/** A configuration without any of these is that of a sentinel. */
const SELECTING_KEYS = ['sr', 'drbd', 'md', 'ignorePeers', 'allowEmpty'] as const
const MAX_PATTERNS = 1_000
const MAX_PATTERN_LENGTH = 256

/**
 * Reads the configuration of the SR `uuid`.
 * @throws SmapiError naming the key. An unknown key is an error, because it may be a misspelt one: its mirrors would not be watched.
 */
export function parseSrConfiguration(uuid: string, configuration: Readonly<Record<string, string>>): SrWatch {
  const unknown = Object.keys(configuration).find(key => !KEYS.has(key))
  if (unknown !== undefined) throw backendFailure(`configuration: the key ${unknown} is not known`)
  const { [UUID_KEY]: named, sr, drbd = '', md = '', ignorePeers = '', allowEmpty = 'false' } = configuration
  if (named !== undefined && parseUuid(UUID_KEY, named) !== uuid)
    throw backendFailure(`configuration: ${UUID_KEY} is the UUID of another SR`)
  const watch = {
    uuid,
    sameAs: sr === undefined ? null : parseUuid('sr', sr),
    drbd: parseList('drbd', drbd),
    md: parseList('md', md),
    ignorePeers: parseList('ignorePeers', ignorePeers),
    allowEmpty: parseFlag('allowEmpty', allowEmpty),
  }
  const own = watch.drbd.length + watch.md.length
  if (watch.sameAs === null && own === 0) {
    // A list without names is a mistake: the SR would have no mirrors and always be in sync.
    if (SELECTING_KEYS.some(key => configuration[key] !== undefined))
      throw backendFailure('configuration: one of sr, drbd and md is required')
    return { ...watch, drbd: SENTINEL_PATTERNS, allowEmpty: true }
  }
  if (watch.sameAs !== null && own + watch.ignorePeers.length > 0)
    throw backendFailure('configuration: sr excludes drbd, md and ignorePeers')
  if (watch.sameAs === uuid) throw backendFailure('configuration: sr is the SR itself')
  return watch
}

/** An SR without mirrors of its own, which stands for all SRs of the host. */
export function isSentinel({ sameAs, drbd, md }: SrWatch): boolean {
  return sameAs === null && md.length === 0 && drbd.join() === SENTINEL_PATTERNS.join()
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

/** Names separated by commas or blanks: values in a toolstack's configuration are strings. */
function parseList(key: string, text: string): readonly string[] {
  const names = text.split(/[\s,]+/).filter(name => name !== '')
  if (names.length > MAX_PATTERNS) throw backendFailure(`configuration: ${key} has more than ${MAX_PATTERNS} names`)
  if (names.some(name => name.length > MAX_PATTERN_LENGTH))
    throw backendFailure(`configuration: a name in ${key} has more than ${MAX_PATTERN_LENGTH} characters`)
  return names
}
