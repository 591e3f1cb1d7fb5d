import type { DrbdDoubt } from '../../sync-query/judge/drbd.ts'
import type { ProblemCode } from '../../sync-query/judge/problem.ts'
import { count, isStateWord } from '../drbd-words.ts'
import type { ProblemList } from '../problem-list.ts'
import type { KeyWord } from './status-text-sections.ts'

/** Keys whose values can be DRBD's state words, or the name of a path. */
const WORD_KEYS = new Set(['role', 'disk', 'connection', 'replication', 'peer-disk', 'backing_dev', 'write-ordering'])

/** Keys that decide the state: of this host's volumes, and of the peers'. Each has no meaning in the lines of the other. */
export const OWN_KEYS: ReadonlySet<string> = new Set([
  ...['disk', 'client', 'quorum', 'size', 'minor', 'suspended', 'force-io-failures'],
])
export const PEER_KEYS: ReadonlySet<string> = new Set([
  ...['connection', 'replication', 'peer-disk', 'peer-client', 'resync-suspended', 'out-of-sync', 'done', 'eta'],
  ...['received', 'sent'],
])

/** Keys of the whole resource or connection; all others are of one volume. */
const SHARED_KEYS: ReadonlySet<string> = new Set(['suspended', 'force-io-failures', 'connection'])

/** The words of one part of a section: of one volume, or of all volumes. */
export interface SectionWords {
  /** The keys that decide the state. */
  readonly words: Map<string, KeyWord>
  hasRole: boolean
}

export interface Section {
  /** The words before any volume: of the resource or of the connection. */
  readonly shared: SectionWords
  readonly volumes: ReadonlyMap<string, SectionWords>
  /** Unknown keys that may decide a state. Damage can put them after the wrong volume, so they concern all volumes. */
  readonly unknown: readonly KeyWord[]
}

/** Maximum number of unknown keys of one section. */
const MAX_UNKNOWN = 4

/** Keys that begin volume 0 where `volume:0` is omitted, as it is for a single volume (device_status in drbdsetup.c). */
const VOLUME_KEYS = new Set([...OWN_KEYS, ...PEER_KEYS].filter(key => !SHARED_KEYS.has(key)))

/** Parses the sections of one resource. A contradiction in a section doubts the whole resource. */
export class SectionReader {
  readonly doubts: DrbdDoubt[] = []
  readonly #resource: string
  readonly #problems: ProblemList

  constructor(resource: string, problems: ProblemList) {
    this.#resource = resource
    this.#problems = problems
  }

  doubt(line: number, code: ProblemCode, sentence: string, field: string, word: string): void {
    this.#problems.add(this.#resource, code, `line ${line}`, sentence, `${field}:${word}`)
    if (this.doubts.length < MAX_UNKNOWN) this.doubts.push({ code: 'contradiction', field, word })
  }

  /** @param foreign keys that belong to other sections */
  section(words: readonly KeyWord[], keys: ReadonlySet<string>, foreign: ReadonlySet<string>): Section {
    const shared = noWords()
    const volumes = new Map<string, SectionWords>()
    const unknown: KeyWord[] = []
    let current: SectionWords | null = null
    for (const each of words) {
      const { key, word, line } = each
      if (foreign.has(key)) this.doubt(line, 'misplaced-word', 'A key in the wrong section', key, word)
      else if (key === 'volume') {
        const number = count(word) === null ? null : String(count(word))
        if (number === null) this.doubt(line, 'bad-line', 'Not a volume number', 'volume', word)
        else if (volumes.has(number)) this.doubt(line, 'contradiction', 'The volume occurs twice', 'volume', word)
        current = noWords()
        volumes.set(number ?? '0', current)
      } else {
        if (current === null && VOLUME_KEYS.has(key)) {
          current = noWords()
          volumes.set('0', current)
        }
        const part: SectionWords = SHARED_KEYS.has(key) ? shared : (current ?? shared)
        if (keys.has(key)) this.#add(part, each)
        else if (mayDecide(each) && unknown.length < MAX_UNKNOWN) unknown.push(each)
        if (key === 'role') part.hasRole = true
      }
    }
    return { shared, volumes, unknown }
  }

  #add(part: SectionWords, each: KeyWord): void {
    const { key, word, line } = each
    if (part.words.has(key)) this.doubt(line, 'contradiction', 'The key occurs twice', key, word)
    part.words.set(key, each)
  }
}

/**
 * True for an unknown key with a state word, and for a key that contains `role:` or `connection:`: a damaged space joins the name of a
 * peer and its first key (`bravo:connection:Connecting`).
 */
function mayDecide({ key, word }: KeyWord): boolean {
  if (WORD_KEYS.has(key)) return false
  return isStateWord(word.slice(word.lastIndexOf(':') + 1)) || /(?:role|connection):/.test(`${key}:${word}`)
}

function noWords(): SectionWords {
  return { words: new Map(), hasRole: false }
}
