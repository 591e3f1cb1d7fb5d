import { basename, join } from 'node:path'
import { FileReader, type ReadJob } from '../../platform/file-reader/file-reader.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { MdDoubt } from '../../sync-query/judge/md.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import { combineMdReadings } from '../parse/combine.ts'
import type { MdReading } from '../parse/md-reading.ts'
import { ARRAY_FILES, MEMBER_FILES, parseMdSysfs, type SysfsFiles } from '../parse/parse-md-sysfs.ts'
import { parseMdstat } from '../parse/parse-mdstat.ts'
import { resultsOf, wantedNames } from './job-results.ts'

export interface MdPaths {
  /** A directory like /sys/block. */
  readonly sysBlock: string
  /** A file like /proc/mdstat. Absent: only sysfs is read, which has no ETA and coarse progress. */
  readonly mdstat?: string
}

/** The result of two cheap reads: /proc/mdstat, and the names of the arrays in sysfs. */
export interface MdListing {
  /** `undefined`: absent or unreadable. */
  readonly mdstat: string | undefined
  /** `undefined`: /sys/block is absent or unreadable. */
  readonly names: readonly string[] | undefined
  readonly problems: readonly Problem[]
}

/** The files of one array, as far as they were read. */
interface ArrayFiles {
  readonly files: SysfsFiles
  readonly doubt: MdDoubt | null
  readonly problems: readonly Problem[]
}

const MDSTAT_BYTES = 2 ** 20
/** A file of sysfs has at most one page (Documentation/filesystems/sysfs.rst). */
const SYSFS_FILE_BYTES = 4096
const MAX_ARRAYS = 1024
/** Metadata 1.x allows 1920 members. */
const MAX_MEMBERS = 2048
const READ_TIMEOUT_MS = 10_000
/** The limit of a read step that lists a directory. */
const LIST = -1

/**
 * Reads the md arrays of the kernel once. Never rejects: what cannot be read is in `problems`, and `understood` is false if arrays may
 * have been missed. If /proc/mdstat is missing and sysfs shows no arrays, the md module is not loaded: no arrays, understood.
 */
export async function readMdArrays(paths: MdPaths, clock: Clock): Promise<MdReading> {
  const end = new AbortController()
  const timing = { timeoutMs: READ_TIMEOUT_MS, retryAfterMs: READ_TIMEOUT_MS }
  const reader = new MdReader(paths, new FileReader({ ...timing, clock, signal: end.signal }))
  const reading = await reader.read(await reader.list())
  end.abort()
  return reading
}

/** Reads the same paths repeatedly. An array whose files hang is in doubt; it does not delay or hide the others. */
export class MdReader {
  readonly #paths: MdPaths
  readonly #files: FileReader

  constructor(paths: MdPaths, files: FileReader) {
    this.#paths = paths
    this.#files = files
  }

  /** Reads the listing. If it equals the previous one, a complete reading is often unnecessary. */
  async list(): Promise<MdListing> {
    const { sysBlock, mdstat } = this.#paths
    const problems: Problem[] = []
    const list: ReadJob = { key: sysBlock, steps: [[sysBlock, LIST]] }
    const text: ReadJob | null = mdstat === undefined ? null : { key: mdstat, steps: [[mdstat, MDSTAT_BYTES]] }
    const readings = await this.#files.readAll(text === null ? [list] : [text, list])
    const ofList = readings.at(-1)
    const listed = ofList === undefined ? null : resultsOf(list, ofList, null)
    const ofText = text === null || readings[0] === undefined ? null : resultsOf(text, readings[0], null)
    problems.push(...(ofText?.problems ?? []), ...(listed?.problems ?? []))
    const names = wantedNames(listed?.names[0], name => name.startsWith('md'), MAX_ARRAYS, null, problems)
    return { mdstat: ofText?.texts[0], names, problems }
  }

  /** Completes a listing to a reading, with the files of every array. */
  async read(listing: MdListing): Promise<MdReading> {
    const names = listing.names ?? []
    const arrays = await this.#readArrays(names)
    const problems = [...listing.problems, ...arrays.flatMap(each => each.problems)]
    const combined = combineMdReadings(
      listing.mdstat === undefined ? null : parseMdstat(listing.mdstat),
      listing.names === undefined ? null : parseMdSysfs(Object.assign({}, ...arrays.map(({ files }) => files))),
    )
    const doubts = new Map(names.map((name, index) => [name, arrays[index]?.doubt ?? null]))
    // A failure of one array is a doubt of that array. A failure without a device may have hidden arrays.
    const mayHaveMissed = problems.some(({ device }) => device === null)
    return {
      arrays: combined.arrays.map(array => {
        const doubt = doubts.get(array.name) ?? null
        return doubt === null ? array : { ...array, doubts: [...array.doubts, doubt] }
      }),
      problems: [...problems, ...combined.problems],
      understood: combined.understood && !mayHaveMissed,
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
      const { texts, hangsAt, problems } = resultsOf(job, reading, name)
      return {
        files: Object.fromEntries(paths.map((path, at) => [path, texts[at]])),
        doubt: hangsAt === null ? null : silence(hangsAt),
        problems: [...found, ...problems],
      }
    })
  }

  /** The read job for an array whose members were listed; empty if it has no `md` directory (any more). */
  #planOf(name: string, list: ReadJob | undefined, listing: Parameters<typeof resultsOf>[1] | undefined) {
    const listed = list === undefined || listing === undefined ? null : resultsOf(list, listing, name)
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

/** A read hangs in the kernel, so the state of the array is not known. */
function silence(at: string): MdDoubt {
  return { code: 'source-silent', field: basename(at), word: `reading ${basename(at)} hangs` }
}

/** The files of an array in the order in which they are read, without their texts. */
function unread(name: string): Record<string, string | undefined> {
  return Object.fromEntries(ARRAY_FILES.map(file => [`${name}/md/${file}`, undefined]))
}
