import { basename, join } from 'node:path'
import type { Problem } from '../sync-query/judgement.ts'
import type { MdDoubt } from '../sync-query/md.ts'
import { combineMdReadings } from './combine.ts'
import { HangGuard, type Outcome } from './hang-guard.ts'
import { type Errand, listNames, readSysfsText, readText } from './limited-read.ts'
import { type MdReading, problem } from './md-reading.ts'
import { ARRAY_FILES, MEMBER_FILES, parseMdSysfs } from './parse-md-sysfs.ts'
import { parseMdstat } from './parse-mdstat.ts'

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

const MDSTAT_BYTES = 2 ** 20
const MAX_ARRAYS = 1024
/** Metadata 1.x knows up to 1920 members. */
const MAX_MEMBERS = 2048
const READ_TIMEOUT_MS = 10_000

/**
 * Reads what the kernel says of its md arrays. Never rejects: what could not be read stands in `problems`, and
 * `understood` is false where arrays may have been missed. A missing /proc/mdstat beside a readable sysfs without arrays
 * is a kernel whose md module is not loaded: no arrays, understood.
 */
export async function readMdArrays(paths: MdPaths): Promise<MdReading> {
  const reader = new MdReader(paths, new HangGuard(READ_TIMEOUT_MS))
  return reader.read(await reader.glance())
}

/** Reads the same paths again and again. An array whose files do not answer in time is doubted, and hides no other. */
export class MdReader {
  readonly #paths: MdPaths
  readonly #guard: HangGuard

  constructor(paths: MdPaths, guard: HangGuard) {
    this.#paths = paths
    this.#guard = guard
  }

  /** The beginning of a reading, which may be enough to see that there is nothing new. */
  async glance(): Promise<MdGlance> {
    const { sysBlock, mdstat } = this.#paths
    const problems: Problem[] = []
    const text =
      mdstat === undefined
        ? undefined
        : brought(await this.#guard.run(mdstat, null, errand => readText(mdstat, MDSTAT_BYTES, errand)), problems)
    const isArray = (name: string) => name.startsWith('md')
    const names = brought(
      await this.#guard.run(sysBlock, null, errand => listNames(sysBlock, MAX_ARRAYS, errand, isArray)),
      problems,
    )
    return { mdstat: text, names, problems }
  }

  /** The whole reading that a glance began: the files of every array beside it. */
  async read(glance: MdGlance): Promise<MdReading> {
    const problems: Problem[] = [...glance.problems]
    const silent = new Map<string, MdDoubt>()
    const files: Record<string, string | undefined> = {}
    for (const name of glance.names ?? []) {
      const outcome = await this.#guard.run(name, name, errand => readArray(this.#paths.sysBlock, name, errand))
      if (outcome.kind !== 'done') {
        silent.set(name, { code: 'word-missing', field: outcome.kind === 'hangs' ? basename(outcome.at) : 'sysfs' })
      }
      Object.assign(files, brought(outcome, problems, name) ?? unread(name))
    }
    const said = combineMdReadings(
      glance.mdstat === undefined ? null : parseMdstat(glance.mdstat),
      glance.names === undefined ? null : parseMdSysfs(files),
    )
    // What failed for one array is that array's own doubt; what failed for no array may have hidden one.
    const mayHaveMissed = problems.some(({ device }) => device === null)
    return {
      arrays: said.arrays.map(array => {
        const doubt = silent.get(array.name)
        return doubt === undefined ? array : { ...array, doubts: [...array.doubts, doubt] }
      }),
      problems: [...problems, ...said.problems],
      understood: said.understood && !mayHaveMissed,
    }
  }
}

/** What an errand has brought; its problems are added to `problems`. */
function brought<T>(outcome: Outcome<T>, problems: Problem[], device: string | null = null): T | undefined {
  switch (outcome.kind) {
    case 'done':
      problems.push(...outcome.problems)
      return outcome.value
    case 'hangs':
      problems.push(problem(device, 'read-hung', 'The kernel does not answer a read', endOf(outcome.at)))
      return undefined
    case 'refused':
      // Of no device: while nothing more is read, nobody knows of any.
      problems.push(
        problem(null, 'read-hung', 'Nothing more is read while the kernel does not answer', endOf(outcome.at)),
      )
      return undefined
  }
}

/** What tells one path from another stands at its end, and a problem holds no more. */
function endOf(path: string): string {
  return path.slice(-60)
}

/** The files of one array by their path below `sysBlock`; none where it has no `md` directory, or not any more. */
async function readArray(sysBlock: string, name: string, errand: Errand): Promise<Record<string, string | undefined>> {
  const isMember = (entry: string) => entry.startsWith('dev-')
  const members = await listNames(join(sysBlock, name, 'md'), MAX_MEMBERS, errand, isMember)
  if (members === undefined && errand.problems.length === 0) return {}
  const files = unread(name)
  for (const member of members ?? []) {
    for (const file of MEMBER_FILES) files[`${name}/md/${member}/${file}`] = undefined
  }
  for (const path of Object.keys(files)) files[path] = await readSysfsText(join(sysBlock, path), errand)
  return files
}

/** An array's own files in the order to read them in, with nothing said yet. */
function unread(name: string): Record<string, string | undefined> {
  return Object.fromEntries(ARRAY_FILES.map(file => [`${name}/md/${file}`, undefined]))
}
