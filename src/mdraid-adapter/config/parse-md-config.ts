import type { Problem } from '../../sync-query/judge/problem.ts'
import { excerpt, mdProblem } from '../parse/md-reading.ts'
import { mdUuid, uuidOfOldMetadata } from '../parse/md-uuid.ts'

/** A configured array. */
interface ConfiguredArray {
  /** As in the file (`/dev/md/home`, `/dev/md0`); `null`: the line names no device. */
  readonly device: string | null
  /** In the kernel's notation. */
  readonly uuid: string | null
  /** The name in the metadata (`HOST:home`). The kernel does not show it. */
  readonly name: string | null
  /**
   * What identifies the array in the kernel, any of them: its UUIDs if it has one, because the kernel's name may belong to another
   * array then; otherwise the kernel's name.
   */
  readonly shownAs: readonly [string, ...string[]]
  /**
   * Other names that a pattern may match (`/dev/md/home`, `md/home`, `md0`). If the line names no device, the name in the metadata is
   * used, as mdadm does. A pattern such as `md*` must match while the kernel does not show the array.
   */
  readonly calledAs: readonly [string, ...string[]]
}

/** A configured array that nothing in the kernel can be compared with. */
interface IncomparableArray {
  /** How the line names it, as a path if it has a name. */
  readonly label: string
  /** As `ConfiguredArray.calledAs`. */
  readonly names: readonly [string, ...string[]]
}

export interface ParsedArrays {
  readonly arrays: readonly ConfiguredArray[]
  readonly incomparable: readonly IncomparableArray[]
  readonly problems: readonly Problem[]
}

export interface ConfiguredArrays extends ParsedArrays {
  /** `null`: the whole configuration was read. Otherwise a short text why there may be more arrays. */
  readonly doubt: string | null
}

/** The kernel shows no UUID of an array in a container, so its absence cannot be detected. */
const IN_CONTAINER = /^(?:container=|member=|metadata=(?:imsm|ddf|external)\b)/i

/**
 * Parses the `ARRAY` lines of the text of mdadm.conf(5): which arrays should exist, so that one that was not assembled after a boot is
 * noticed. Ignores everything else. Pure; any text gives a result.
 *
 * @param file the name of the file in problems
 */
export function parseMdConfig(text: string, file: string): ParsedArrays {
  const arrays: ConfiguredArray[] = []
  const incomparable: IncomparableArray[] = []
  const problems: Problem[] = []
  for (const [keyword = '', ...words] of logicalLines(text)) {
    if (!isArrayKeyword(keyword)) continue
    const device = words.find(word => word.startsWith('/') || !word.includes('=')) ?? null
    if (device?.toLowerCase() === '<ignore>') continue
    const uuidWord = valueOfTag(words, 'uuid')
    const uuid = uuidWord === null ? null : mdUuid(uuidWord)
    if (uuidWord !== null && uuid === null) {
      problems.push(mdProblem(device, 'bad-uuid', `${file}: not a UUID`, uuidWord))
    }
    const name = valueOfTag(words, 'name')
    const called = calledAs(device, name)
    const isInContainer = words.some(word => IN_CONTAINER.test(word))
    const [first, ...others] = isInContainer ? [] : shownAs(device, uuid)
    if (first !== undefined) arrays.push({ device, uuid, name, shownAs: [first, ...others], calledAs: called })
    else {
      const line = [keyword, ...words].join(' ')
      const isNamed = device !== null || name !== null
      const label = device?.startsWith('/') === true ? device : isNamed ? called[0] : (uuid ?? excerpt(line))
      incomparable.push({ label, names: called })
      // The line of an array in a container cannot be improved.
      if (isInContainer) continue
      problems.push(mdProblem(device, 'not-comparable', `${file}: without a UUID the array cannot be recognized`, line))
    }
  }
  return { arrays, incomparable, problems }
}

/** At least three letters, upper or lower case (match_keyword of mdadm). */
function isArrayKeyword(word: string): boolean {
  return word.length >= 3 && 'array'.startsWith(word.toLowerCase())
}

function valueOfTag(words: readonly string[], tag: string): string | null {
  const word = words.find(each => !each.startsWith('/') && each.toLowerCase().startsWith(`${tag}=`))
  return word === undefined ? null : word.slice(tag.length + 1)
}

function shownAs(device: string | null, uuid: string | null): readonly string[] {
  if (uuid !== null) return [uuid, uuidOfOldMetadata(uuid)]
  const name = device === null ? null : kernelName(device)
  return name === null ? [] : [name]
}

function calledAs(device: string | null, name: string | null): readonly [string, ...string[]] {
  const label = device?.replace(/^\/dev\/(?:md\/)?/, '') ?? name?.replace(/^[^:]*:/, '') ?? ''
  const bare = (device === null ? null : kernelName(device)) ?? `md/${label}`
  return [`/dev/${bare}`, bare]
}

/** The kernel's name of a device: `/dev/md0`, `/dev/md/0`, `md0` and `0` are the same (devname_matches of mdadm). */
function kernelName(device: string): string | null {
  const bare = device.replace(/^\/dev\/(?:md\/)?/, '')
  const number = /^(?:md)?(\d{1,7})$/.exec(bare)?.[1]
  if (number !== undefined) return `md${Number(number)}`
  return /^md_d\d{1,7}$/.test(bare) ? bare : null
}

/**
 * The words of each line. A line that begins with white space continues the line before. A `#` at the beginning of a word starts a
 * comment; quotes join words, and end with the line.
 */
function logicalLines(text: string): string[][] {
  const lines: string[][] = []
  for (const raw of text.split(/\r?\n/)) {
    const words = wordsOf(raw)
    if (words.length === 0) continue
    const open = /^[ \t]/.test(raw) ? lines.at(-1) : undefined
    if (open === undefined) lines.push(words)
    else open.push(...words)
  }
  return lines
}

const WORD = /#.*|(?:"[^"]*"?|'[^']*'?|[^\s"'])+/g

function wordsOf(line: string): string[] {
  return [...line.matchAll(WORD)]
    .map(([word]) => word)
    .filter(word => !word.startsWith('#'))
    .map(word => excerpt(word.replace(/"([^"]*)"?|'([^']*)'?/g, '$1$2')))
}
