import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Problem } from '../sync-query/judgement.ts'
import { combineMdReadings } from './combine.ts'
import { type MdReading, problem } from './md-reading.ts'
import { ARRAY_FILES, MEMBER_FILES, parseMdSysfs } from './parse-md-sysfs.ts'
import { parseMdstat } from './parse-mdstat.ts'

export interface MdPaths {
  /** A directory like /sys/block. */
  readonly sysBlock: string
  /** A file like /proc/mdstat; absent: sysfs alone is asked, which gives no ETA and moves in steps. */
  readonly mdstat?: string
}

/** sysfs never says more than a page in one file (Documentation/filesystems/sysfs.rst). */
const SYSFS_FILE_BYTES = 4096
const MDSTAT_BYTES = 2 ** 20
const MAX_ARRAYS = 1024
/** Metadata 1.x knows up to 1920 members. */
const MAX_MEMBERS = 2048

/** A file or directory that goes between the listing and the read is "not said", and no problem (procfs#770). */
const VANISHED: ReadonlySet<string> = new Set(['ENOENT', 'EINVAL', 'ENODEV'])

/**
 * Reads what the kernel says of its md arrays: /proc/mdstat, then sysfs, one after the other. Never rejects: what could not
 * be read stands in `problems`, and `understood` is false where arrays may have been missed. A missing /proc/mdstat
 * beside a readable sysfs without arrays is a kernel whose md module is not loaded: no arrays, understood.
 * A read may hang as long as the kernel holds an array's lock; the caller sets the time limit.
 */
export async function readMdArrays({ sysBlock, mdstat }: MdPaths): Promise<MdReading> {
  const problems: Problem[] = []
  const text = mdstat === undefined ? undefined : await readText(mdstat, MDSTAT_BYTES, null, problems)
  const files = await readSysfs(sysBlock, problems)
  const said = combineMdReadings(
    text === undefined ? null : parseMdstat(text),
    files === undefined ? null : parseMdSysfs(files),
  )
  // What failed for one array is that array's own doubt; what failed for no array may have hidden one.
  const mayHaveMissed = problems.some(({ device }) => device === null)
  return {
    arrays: said.arrays,
    problems: [...problems, ...said.problems],
    understood: said.understood && !mayHaveMissed,
  }
}

/** The files below `sysBlock` that are judged, by their path; `undefined` where there is no such directory. */
async function readSysfs(
  sysBlock: string,
  problems: Problem[],
): Promise<Record<string, string | undefined> | undefined> {
  const names = await list(sysBlock, null, MAX_ARRAYS, problems, name => name.startsWith('md'))
  if (names === undefined) return undefined
  const files: Record<string, string | undefined> = {}
  for (const name of names) {
    for (const path of await filesOfArray(sysBlock, name, problems)) {
      files[path] = await readText(join(sysBlock, path), SYSFS_FILE_BYTES, name, problems)
    }
  }
  return files
}

/** The paths to read of one array, in order; none where it has no `md` directory, or not any more. */
async function filesOfArray(sysBlock: string, name: string, problems: Problem[]): Promise<readonly string[]> {
  const before = problems.length
  const members = await list(join(sysBlock, name, 'md'), name, MAX_MEMBERS, problems, entry => entry.startsWith('dev-'))
  if (members === undefined && problems.length === before) return []
  return [
    ...ARRAY_FILES.map(file => `${name}/md/${file}`),
    ...(members ?? []).flatMap(member => MEMBER_FILES.map(file => `${name}/md/${member}/${file}`)),
  ]
}

/** The wanted names in a directory, at most `limit` of them; `undefined` where it could not be listed. */
async function list(
  directory: string,
  device: string | null,
  limit: number,
  problems: Problem[],
  isWanted: (name: string) => boolean,
): Promise<readonly string[] | undefined> {
  try {
    const names = (await readdir(directory)).filter(isWanted).sort()
    if (names.length > limit) problems.push(problem(device, 'too-many', `More than ${limit} entries`, directory))
    return names.slice(0, limit)
  } catch (error) {
    report(error, directory, device, problems)
    return undefined
  }
}

/** A file's text, or `undefined` where it could not be read or is larger than `limit` bytes. */
async function readText(
  path: string,
  limit: number,
  device: string | null,
  problems: Problem[],
): Promise<string | undefined> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const buffer = Buffer.alloc(limit + 1)
    let length = 0
    // procfs hands out a page at a time: only a read of nothing is the end.
    for (let bytesRead = -1; bytesRead !== 0 && length <= limit; length += bytesRead) {
      bytesRead = (await file.read(buffer, length, buffer.length - length)).bytesRead
    }
    if (length <= limit) return buffer.toString('utf8', 0, length)
    problems.push(problem(device, 'too-large', `More than ${limit} bytes`, path))
  } catch (error) {
    report(error, path, device, problems)
  } finally {
    await file?.close()
  }
  return undefined
}

function report(error: unknown, path: string, device: string | null, problems: Problem[]): void {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  if (!VANISHED.has(code)) problems.push(problem(device, 'unreadable', `${code} while reading`, path))
}
