import { type Stats, statSync } from 'node:fs'
import { open, readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, posix } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Problem } from '../sync-query/judgement.ts'
import { codeOf } from '../thrown/index.ts'
import { type ParsedConfig, parseDrbdConfig } from './parse-config.ts'

/** The volumes that a configuration says should be there, as `resource/volume`. */
export interface ConfiguredVolumes {
  readonly mirrors: readonly string[]
  readonly problems: readonly Problem[]
  /** `null`: all that is configured was read. Otherwise in a few words why there may be more. */
  readonly doubt: string | null
}

/** Where configurations begin: drbdadm's own file, the administrator's folder and the one that LINSTOR writes (XOSTOR). */
export const CONFIG_FILE = '/etc/drbd.conf'
export const CONFIG_FOLDERS = ['/etc/drbd.d', '/var/lib/linstor.d'] as const

const MAX_FILES = 20_000
/** 5 000 volumes in one file are some MiB. */
const MAX_FILE_BYTES = 16 * 2 ** 20

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
  /** Why it may name more than was read, though nobody writes it just now. */
  readonly doubt: string | null
}

/** There is no such file or folder, and so nothing is configured there. Whatever else keeps it from being read says nothing. */
const NOTHING_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR'])

/** The volumes that this host's configuration says should be up. @param root the directory that stands for `/` */
export function readDrbdConfig(root: string): Promise<ConfiguredVolumes> {
  return new DrbdConfigReader(root).read()
}

/**
 * Reads the configuration again and again, each file only when it has changed.
 *
 * What a file once named stays configured until a whole text that has rested, or the lack of the file, says otherwise: a
 * file that is just being written is not a resource that was removed. What cannot be read whole, file or folder, leaves a
 * doubt until it is: it must not pass for a configuration that names nothing.
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
    const doubts: string[] = []
    const cannotRead = (code: string, text: string) => {
      problems.push({ device: null, code, text })
      doubts.push(text)
    }
    const files = new Map<string, ReadFile>()
    const host = await readHostName(this.#root)
    // A file says another thing to a host of another name.
    if (host !== this.#host) this.#files = new Map()
    this.#host = host
    const paths = [
      CONFIG_FILE,
      ...(await Promise.all(CONFIG_FOLDERS.map(folder => this.#list(`${folder}/*.res`, cannotRead)))).flat(),
    ]
    let looked = 0
    for (const path of paths) {
      if (files.has(path)) continue
      if (files.size >= MAX_FILES) {
        cannotRead('too-many-files', `there are more than ${MAX_FILES} files`)
        break
      }
      looked += 1
      if (looked % FILES_IN_A_TURN === 0) await nextTurn()
      const file = await this.#readFile(path)
      if (file === null) continue
      files.set(path, file)
      for (const include of file.parsed.includes) {
        for (const each of await this.#list(posix.resolve(dirname(path), include), cannotRead)) paths.push(each)
      }
    }
    this.#files = files
    const mirrors = new Set<string>()
    for (const { parsed, doubt } of files.values()) {
      for (const mirror of parsed.mirrors) mirrors.add(mirror)
      problems.push(...parsed.problems)
      if (doubt !== null) doubts.push(doubt)
    }
    return { mirrors: [...mirrors], problems, doubt: doubts[0] ?? null }
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
        const problem = { code: 'file-too-large', text: `${path} is larger than ${MAX_FILE_BYTES} bytes` }
        return { stamp, isFresh, ...unread(before, problem) }
      }
      const text = await readLimited(join(this.#root, path), stats.size)
      const parsed = parseDrbdConfig(text, path, this.#host)
      const doubt = parsed.isWhole || isFresh ? null : (parsed.problems[0]?.text ?? null)
      if (before === undefined || (parsed.isWhole && !isFresh)) return { stamp, isFresh, parsed, doubt }
      const mirrors = [...new Set([...before.parsed.mirrors, ...parsed.mirrors])]
      const includes = [...new Set([...before.parsed.includes, ...parsed.includes])]
      return { stamp, isFresh, parsed: { ...parsed, mirrors, includes }, doubt }
    } catch (error) {
      const code = codeOf(error) ?? 'error'
      if (NOTHING_THERE.has(code)) return null
      const problem = { code: 'file-unreadable', text: `${path} cannot be read: ${code}` }
      return { stamp: null, isFresh: false, ...unread(before, problem) }
    }
  }

  /** The files that a path with wildcards in its last part stands for. */
  async #list(path: string, cannotRead: (code: string, text: string) => void): Promise<string[]> {
    if (!/[*?]/.test(path)) return [path]
    const folder = dirname(path)
    const pattern = wildcards(basename(path))
    try {
      const names = await readdir(join(this.#root, folder))
      return names.filter(name => pattern.test(name)).map(name => posix.join(folder, name))
    } catch (error) {
      const code = codeOf(error) ?? 'error'
      if (NOTHING_THERE.has(code)) return []
      cannotRead('folder-unreadable', `${folder} cannot be listed: ${code}`)
      return [...this.#files.keys()].filter(known => dirname(known) === folder && pattern.test(basename(known)))
    }
  }
}

/** What was known of a file that cannot be read now. */
function unread(before: ReadFile | undefined, problem: Omit<Problem, 'device'>): Pick<ReadFile, 'parsed' | 'doubt'> {
  const { mirrors = [], includes = [] } = before?.parsed ?? {}
  const parsed = { mirrors, includes, isWhole: false, problems: [{ device: null, ...problem }] }
  return { parsed, doubt: problem.text }
}

/** The clocks of files and of this program differ by a moment; one that was set back must not leave a file fresh for ever. */
function wasWrittenWithin(ms: number, { mtimeMs, ctimeMs }: Stats): boolean {
  return Math.abs(Date.now() - Math.max(mtimeMs, ctimeMs)) < ms
}

async function readLimited(path: string, bytes: number): Promise<string> {
  const file = await open(path)
  try {
    const buffer = Buffer.allocUnsafe(bytes)
    let length = 0
    // A read may bring less than was asked for, on a file system over the network.
    for (let bytesRead = -1; bytesRead !== 0 && length < bytes; length += bytesRead) {
      bytesRead = (await file.read(buffer, length, bytes - length, length)).bytesRead
    }
    return buffer.toString('utf8', 0, length)
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
