import type { Problem } from '../../sync-query/judge/problem.ts'
import { excerpt, mdProblem } from '../parse/md-reading.ts'
import { mdUuid, uuidOfOldMetadata } from '../parse/md-uuid.ts'

/** An array that a configuration says should be there. */
interface ConfiguredArray {
  /** As it was written (`/dev/md/home`, `/dev/md0`); `null`: the line names none. */
  readonly device: string | null
  /** In the kernel's form. */
  readonly uuid: string | null
  /** The name in the metadata (`HOST:home`). The kernel does not show it. */
  readonly name: string | null
  /**
   * By what the kernel may show it; any of them will do. Its UUIDs where it has one, for the kernel's name may then belong
   * to another; otherwise that name.
   */
  readonly shownAs: readonly [string, ...string[]]
  /**
   * What else people may call it (`/dev/md/home`, `md/home`, `md0`), with the name in the metadata where the line names no
   * device, as mdadm has it. A pattern such as `md*` must find it while the kernel does not show it as md-something.
   */
  readonly calledAs: readonly [string, ...string[]]
}

/** An array that is configured so that nothing the kernel shows could be compared with it. */
interface IncomparableArray {
  /** What the line calls it, as a path where it has a name. */
  readonly label: string
  /** What people may call it, as `ConfiguredArray.calledAs`. */
  readonly names: readonly [string, ...string[]]
}

export interface ParsedArrays {
  readonly arrays: readonly ConfiguredArray[]
  readonly incomparable: readonly IncomparableArray[]
  readonly problems: readonly Problem[]
}

export interface ConfiguredArrays extends ParsedArrays {
  /** `null`: all that is configured was read. Otherwise in a few words why there may be more. */
  readonly doubt: string | null
}

/** The kernel shows no UUID of an array whose metadata lies in a container, so nothing could tell that it is missing. */
const IN_CONTAINER = /^(?:container=|member=|metadata=(?:imsm|ddf|external)\b)/i

/**
 * Reads the `ARRAY` lines of mdadm.conf(5) text. Everything else is passed over: this answers only "what should be up?",
 * so that an array which is not assembled after a boot cannot go unseen. Pure; any text gives an answer.
 *
 * @param file what to call it in problems
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
      // One in a container cannot be written better.
      if (isInContainer) continue
      problems.push(mdProblem(device, 'not-comparable', `${file}: without a UUID nothing tells whether it is up`, line))
    }
  }
  return { arrays, incomparable, problems }
}

/** At least three letters, in any case (match_keyword of mdadm). */
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

/** The kernel's name for a device: `/dev/md0`, `/dev/md/0`, `md0` and `0` are one (devname_matches of mdadm). */
function kernelName(device: string): string | null {
  const bare = device.replace(/^\/dev\/(?:md\/)?/, '')
  const number = /^(?:md)?(\d{1,7})$/.exec(bare)?.[1]
  if (number !== undefined) return `md${Number(number)}`
  return /^md_d\d{1,7}$/.test(bare) ? bare : null
}

/**
 * The words of each line, with those of the lines that continue it by beginning with white space. A `#` that begins a word
 * hides the rest of its line; quotes keep words together, and end with the line.
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
