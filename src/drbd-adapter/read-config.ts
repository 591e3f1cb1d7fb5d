import { type Stats, statSync } from 'node:fs'
import { open, readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, posix } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Problem } from '../sync-query/judgement.ts'
import { type ConfiguredVolumes, type ParsedConfig, parseDrbdConfig } from './parse-config.ts'

/** Where configurations begin: drbdadm's own file, the administrator's folder and the one that LINSTOR writes (XOSTOR). */
export const CONFIG_FILE = '/etc/drbd.conf'
export const CONFIG_FOLDERS = ['/etc/drbd.d', '/var/lib/linstor.d'] as const

const MAX_FILES = 20_000
const MAX_FILE_BYTES = 256 * 1024

/** How long a file must have rested to be taken for all there is. Longer than a tick of any file system's clock. */
export const DEFAULT_REST_MS = 250

/** So many files are looked at before others get their turn: one by one they would cost ten times as much. */
const FILES_IN_A_TURN = 250

interface ReadFile {
  /** As long as the file's is the same it is not read again; `null`: it could not be read, or may have changed unseen. */
  readonly stamp: string | null
  /** It was just written, and may be again. */
  readonly isFresh: boolean
  readonly parsed: ParsedConfig
}

/** The volumes that this host's configuration says should be up. @param root the directory that stands for `/` */
export function readDrbdConfig(root: string): Promise<ConfiguredVolumes> {
  return new DrbdConfigReader(root).read()
}

/**
 * Reads the configuration again and again, each file only when it has changed.
 *
 * What a file once named stays configured until a whole text that has rested, or the lack of the file, says otherwise: a
 * file that is just being written is not a resource that was removed.
 */
export class DrbdConfigReader {
  readonly #root: string
  readonly #restMs: number
  #files: ReadonlyMap<string, ReadFile> = new Map()
  /** What the files last read were read for. */
  #host: string | null = null

  constructor(root: string, restMs: number = DEFAULT_REST_MS) {
    this.#root = root
    this.#restMs = restMs
  }

  /** Some file has not rested yet: it is to be read again soon. */
  get isUnsettled(): boolean {
    return this.#files.values().some(({ isFresh }) => isFresh)
  }

  async read(): Promise<ConfiguredVolumes> {
    const problems: Problem[] = []
    const files = new Map<string, ReadFile>()
    const host = await readHostName(this.#root)
    // A file says another thing to a host of another name.
    if (host !== this.#host) this.#files = new Map()
    this.#host = host
    const paths = [
      CONFIG_FILE,
      ...(await Promise.all(CONFIG_FOLDERS.map(folder => this.#list(`${folder}/*.res`)))).flat(),
    ]
    let looked = 0
    for (const path of paths) {
      if (files.has(path)) continue
      if (files.size >= MAX_FILES) {
        problems.push({ device: null, code: 'too-many-files', text: `There are more than ${MAX_FILES} files` })
        break
      }
      looked += 1
      if (looked % FILES_IN_A_TURN === 0) await nextTurn()
      const file = await this.#readFile(path)
      if (file === null) continue
      files.set(path, file)
      for (const include of file.parsed.includes) {
        for (const each of await this.#list(posix.resolve(dirname(path), include))) paths.push(each)
      }
    }
    this.#files = files
    const mirrors = new Set<string>()
    for (const { parsed } of files.values()) {
      for (const mirror of parsed.mirrors) mirrors.add(mirror)
      problems.push(...parsed.problems)
    }
    return { mirrors: [...mirrors], problems }
  }

  /** `null`: there is no such file. */
  async #readFile(path: string): Promise<ReadFile | null> {
    const before = this.#files.get(path)
    try {
      const stats = statSync(join(this.#root, path), { throwIfNoEntry: false })
      if (stats === undefined || stats.isDirectory()) return null
      const isFresh = wasWrittenWithin(this.#restMs, stats)
      const stamp = isFresh ? null : `${stats.mtimeMs} ${stats.ctimeMs} ${stats.size} ${stats.ino}`
      if (stamp !== null && stamp === before?.stamp) return before
      if (stats.size > MAX_FILE_BYTES) {
        return {
          stamp,
          isFresh,
          parsed: unread(before, path, 'file-too-large', `is larger than ${MAX_FILE_BYTES} bytes`),
        }
      }
      const text = await readLimited(join(this.#root, path), stats.size)
      const parsed = parseDrbdConfig(text, path, this.#host)
      if (before === undefined || (parsed.isWhole && !isFresh)) return { stamp, isFresh, parsed }
      const mirrors = [...new Set([...before.parsed.mirrors, ...parsed.mirrors])]
      const includes = [...new Set([...before.parsed.includes, ...parsed.includes])]
      return { stamp, isFresh, parsed: { ...parsed, mirrors, includes } }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'error'
      if (code === 'ENOENT' || code === 'ENOTDIR') return null
      return { stamp: null, isFresh: false, parsed: unread(before, path, 'file-unreadable', `cannot be read: ${code}`) }
    }
  }

  /** The files that a path with wildcards in its last part stands for. */
  async #list(path: string): Promise<string[]> {
    if (!/[*?]/.test(path)) return [path]
    try {
      const pattern = wildcards(basename(path))
      const names = await readdir(join(this.#root, dirname(path)))
      return names.filter(name => pattern.test(name)).map(name => posix.join(dirname(path), name))
    } catch {
      // No such folder: nothing is configured there.
      return []
    }
  }
}

/** What was known of a file that cannot be read now. */
function unread(before: ReadFile | undefined, path: string, code: string, what: string): ParsedConfig {
  const { mirrors = [], includes = [] } = before?.parsed ?? {}
  return { mirrors, includes, isWhole: false, problems: [{ device: null, code, text: `${path} ${what}` }] }
}

/** False for a file of the future: a clock that was set back must not leave it fresh for ever. */
function wasWrittenWithin(ms: number, { mtimeMs, ctimeMs }: Stats): boolean {
  const ageMs = Date.now() - Math.max(mtimeMs, ctimeMs)
  return ageMs >= 0 && ageMs < ms
}

async function readLimited(path: string, bytes: number): Promise<string> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(bytes), 0, bytes, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

/** What `uname -n` says, which drbdadm looks for in `on` sections; `null` where it cannot be read. */
async function readHostName(root: string): Promise<string | null> {
  try {
    return (await readFile(join(root, 'proc/sys/kernel/hostname'), 'utf8')).trim() || null
  } catch {
    return null
  }
}

/** `*` and `?` as a shell reads them (drbdadm uses glob(3)). A leading dot is matched only by a dot. */
function wildcards(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${/^[*?]/.test(pattern) ? '(?!\\.)' : ''}${source}$`)
}
