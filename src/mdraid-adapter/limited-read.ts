import { closeSync, open, read } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { Problem } from '../sync-query/judgement.ts'
import { codeOf } from '../thrown/index.ts'
import { problem } from './md-reading.ts'

const openPath = promisify(open)
const readInto = promisify(read)

/** A file or directory that goes between the listing and the read is "not said", and no problem (procfs#770). */
const VANISHED: ReadonlySet<string> = new Set(['ENOENT', 'EINVAL', 'ENODEV'])

/** A sequence of reads that belong together, as far as it has come. */
export class Errand {
  /** What the problems are about. */
  readonly device: string | null
  readonly problems: Problem[] = []
  /** What is being read, or was last. */
  at = ''
  /** Nobody waits for the rest any more, so there must be no rest. */
  isGivenUp = false
  /** What its files of sysfs are read into, one after the other. Its own: one that hangs may still write to it. */
  page: Buffer | null = null
  /** Errors that say that there is nothing, and are no problem. */
  readonly absent: ReadonlySet<string>

  constructor(device: string | null, absent: ReadonlySet<string> = VANISHED) {
    this.device = device
    this.absent = absent
  }
}

/** The wanted names in a directory, sorted, at most `limit` of them; `undefined` where it could not be listed. */
export async function listNames(
  directory: string,
  limit: number,
  errand: Errand,
  isWanted: (name: string) => boolean,
): Promise<readonly string[] | undefined> {
  if (errand.isGivenUp) return undefined
  errand.at = directory
  try {
    const names = (await readdir(directory)).filter(isWanted).sort()
    if (names.length > limit) complain(errand, 'too-many', `More than ${limit} entries`, directory)
    return names.slice(0, limit)
  } catch (error) {
    report(error, directory, errand)
    return undefined
  }
}

/** A file's text, or `undefined` where it could not be read or is larger than `limit` bytes. */
export async function readText(path: string, limit: number, errand: Errand): Promise<string | undefined> {
  const buffer = Buffer.allocUnsafe(limit + 1)
  return readWith(path, limit, errand, async file => {
    let length = 0
    // procfs hands out a page at a time: only a read of nothing is the end.
    for (let bytesRead = -1; bytesRead !== 0 && length <= limit; length += bytesRead) {
      bytesRead = (await readInto(file, buffer, length, buffer.length - length, null)).bytesRead
    }
    return buffer.subarray(0, length)
  })
}

/** sysfs never says more than a page in one file (Documentation/filesystems/sysfs.rst). */
const SYSFS_FILE_BYTES = 4096

/** As `readText`, of a file of sysfs: the kernel hands it out whole in one read, so there is no second. */
export async function readSysfsText(path: string, errand: Errand): Promise<string | undefined> {
  return readWith(path, SYSFS_FILE_BYTES, errand, async file => {
    errand.page ??= Buffer.allocUnsafe(SYSFS_FILE_BYTES + 1)
    const { bytesRead } = await readInto(file, errand.page, 0, errand.page.length, null)
    return errand.page.subarray(0, bytesRead)
  })
}

async function readWith(
  path: string,
  limit: number,
  errand: Errand,
  bytesOf: (file: number) => Promise<Buffer>,
): Promise<string | undefined> {
  if (errand.isGivenUp) return undefined
  errand.at = path
  try {
    const file = await openPath(path, 'r')
    try {
      const bytes = await bytesOf(file)
      if (bytes.length <= limit) return bytes.toString('utf8')
    } finally {
      // At once: unlike the other two it waits for nothing, and a thread for it would make the whole a third dearer.
      closeSync(file)
    }
    complain(errand, 'too-large', `More than ${limit} bytes`, path)
  } catch (error) {
    report(error, path, errand)
  }
  return undefined
}

function report(error: unknown, path: string, errand: Errand): void {
  const code = codeOf(error) ?? 'unknown error'
  if (!errand.absent.has(code)) complain(errand, 'unreadable', `${code} while reading`, path)
}

function complain(errand: Errand, code: string, text: string, path: string): void {
  errand.problems.push(problem(errand.device, code, text, path))
}
