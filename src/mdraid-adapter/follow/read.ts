import { basename, join } from 'node:path'
import { FileReader, type ReadJob } from '../../platform/file-reader/file-reader.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { MdDoubt } from '../../sync-query/judge/md.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import { combineMdReadings } from '../parse/combine.ts'
import type { MdReading } from '../parse/md-reading.ts'
import { ARRAY_FILES, MEMBER_FILES, parseMdSysfs, type SysfsFiles } from '../parse/parse-md-sysfs.ts'
import { parseMdstat } from '../parse/parse-mdstat.ts'
import { brought, wantedNames } from './read-texts.ts'

export interface MdPaths {
  /** A directory like /sys/block. */
  readonly sysBlock: string
  /** A file like /proc/mdstat; absent: sysfs alone is asked, which gives no ETA and moves in steps. */
  readonly mdstat?: string
}

/** What two cheap reads show: /proc/mdstat, and which arrays have a directory in sysfs. */
export interface MdGlance {
  /** `undefined`: not there, or not readable. */
  readonly mdstat: string | undefined
  /** `undefined`: there is no such directory as /sys/block, or it is not readable. */
  readonly names: readonly string[] | undefined
  readonly problems: readonly Problem[]
}

/** The files of one array as far as they were read. */
interface ArrayFiles {
  readonly files: SysfsFiles
  readonly doubt: MdDoubt | null
  readonly problems: readonly Problem[]
}

const MDSTAT_BYTES = 2 ** 20
/** sysfs never says more than a page in one file (Documentation/filesystems/sysfs.rst). */
const SYSFS_FILE_BYTES = 4096
const MAX_ARRAYS = 1024
/** Metadata 1.x knows up to 1920 members. */
const MAX_MEMBERS = 2048
const READ_TIMEOUT_MS = 10_000
/** Limit of a step that lists a directory. */
const LIST = -1

/**
 * Reads what the kernel says of its md arrays. Never rejects: what could not be read stands in `problems`, and
 * `understood` is false where arrays may have been missed. A missing /proc/mdstat beside a readable sysfs without arrays
 * is a kernel whose md module is not loaded: no arrays, understood.
 */
export async function readMdArrays(paths: MdPaths, clock: Clock): Promise<MdReading> {
  const end = new AbortController()
  const timing = { timeoutMs: READ_TIMEOUT_MS, retryAfterMs: READ_TIMEOUT_MS }
  const reader = new MdReader(paths, new FileReader({ ...timing, clock, signal: end.signal }))
  const reading = await reader.read(await reader.glance())
  end.abort()
  return reading
}

/** Reads the same paths again and again. An array whose files do not answer in time is doubted, and hides no other. */
export class MdReader {
  readonly #paths: MdPaths
  readonly #files: FileReader

  constructor(paths: MdPaths, files: FileReader) {
    this.#paths = paths
    this.#files = files
  }

  /** The beginning of a reading, which may be enough to see that there is nothing new. */
  async glance(): Promise<MdGlance> {
    const { sysBlock, mdstat } = this.#paths
    const problems: Problem[] = []
    const list: ReadJob = { key: sysBlock, steps: [[sysBlock, LIST]] }
    const text: ReadJob | null = mdstat === undefined ? null : { key: mdstat, steps: [[mdstat, MDSTAT_BYTES]] }
    const readings = await this.#files.readAll(text === null ? [list] : [text, list])
    const ofList = readings.at(-1)
    const listed = ofList === undefined ? null : brought(list, ofList, null)
    const said = text === null || readings[0] === undefined ? null : brought(text, readings[0], null)
    problems.push(...(said?.problems ?? []), ...(listed?.problems ?? []))
    const names = wantedNames(listed?.names[0], name => name.startsWith('md'), MAX_ARRAYS, null, problems)
    return { mdstat: said?.texts[0], names, problems }
  }

  /** The whole reading that a glance began: the files of every array beside it. */
  async read(glance: MdGlance): Promise<MdReading> {
    const names = glance.names ?? []
    const arrays = await this.#readArrays(names)
    const problems = [...glance.problems, ...arrays.flatMap(each => each.problems)]
    const said = combineMdReadings(
      glance.mdstat === undefined ? null : parseMdstat(glance.mdstat),
      glance.names === undefined ? null : parseMdSysfs(Object.assign({}, ...arrays.map(({ files }) => files))),
    )
    const doubts = new Map(names.map((name, index) => [name, arrays[index]?.doubt ?? null]))
    // What failed for one array is that array's own doubt; what failed for no array may have hidden one.
    const mayHaveMissed = problems.some(({ device }) => device === null)
    return {
      arrays: said.arrays.map(array => {
        const doubt = doubts.get(array.name) ?? null
        return doubt === null ? array : { ...array, doubts: [...array.doubts, doubt] }
      }),
      problems: [...problems, ...said.problems],
      understood: said.understood && !mayHaveMissed,
    }
  }

  async #readArrays(names: readonly string[]): Promise<readonly ArrayFiles[]> {
    const lists = names.map((name): ReadJob => {
      const folder = join(this.#paths.sysBlock, name, 'md')
      return { key: folder, steps: [[folder, LIST]] }
    })
    const listings = await this.#files.readAll(lists)
    const plans = names.map((name, index) => this.#planOf(name, lists[index], listings[index]))
    const readings = await this.#files.readAll(plans.map(({ job }) => job))
    return plans.map(({ name, job, paths, found, isSilent }, index) => {
      const reading = readings[index]
      if (isSilent !== null) return { files: unread(name), doubt: isSilent, problems: found }
      if (reading === undefined || paths.length === 0) return { files: {}, doubt: null, problems: found }
      const { texts, hangsAt, problems } = brought(job, reading, name)
      return {
        files: Object.fromEntries(paths.map((path, at) => [path, texts[at]])),
        doubt: hangsAt === null ? null : silence(hangsAt),
        problems: [...found, ...problems],
      }
    })
  }

  /** What to read of an array whose members were listed; nothing where it has no `md` directory, or not any more. */
  #planOf(name: string, list: ReadJob | undefined, listing: Parameters<typeof brought>[1] | undefined) {
    const listed = list === undefined || listing === undefined ? null : brought(list, listing, name)
    const found = [...(listed?.problems ?? [])]
    const isMember = (entry: string) => entry.startsWith('dev-')
    const members = wantedNames(listed?.names[0], isMember, MAX_MEMBERS, name, found)
    const isSilent = listed === null || listed.hangsAt === null ? null : silence(listed.hangsAt)
    const isNone = isSilent !== null || (members === undefined && found.length === 0)
    const paths = isNone
      ? []
      : [
          ...Object.keys(unread(name)),
          ...(members ?? []).flatMap(member => MEMBER_FILES.map(file => `${name}/md/${member}/${file}`)),
        ]
    const job: ReadJob = {
      key: name,
      steps: paths.map(path => [join(this.#paths.sysBlock, path), SYSFS_FILE_BYTES]),
    }
    return { name, job, paths, found, isSilent }
  }
}

/** The kernel does not answer a read, so nothing is known of the array now. */
function silence(at: string): MdDoubt {
  return { code: 'source-silent', field: basename(at), word: `reading ${basename(at)} hangs` }
}

/** An array's own files in the order to read them in, with nothing said yet. */
function unread(name: string): Record<string, string | undefined> {
  return Object.fromEntries(ARRAY_FILES.map(file => [`${name}/md/${file}`, undefined]))
}
