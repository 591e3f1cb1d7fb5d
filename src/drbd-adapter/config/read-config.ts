import { type Stats, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { codeOf } from '../../platform/errors.ts'
import type { Problem, ProblemCode } from '../../sync-query/judge/problem.ts'
import type { HostIdentity } from './config-hosts.ts'
import type { ConfiguredVolume } from './configured-resource.ts'
import { expandPath, hasWildcards, NOTHING_THERE } from './expand-path.ts'
import { readHostIdentity } from './host-identity.ts'
import { type ParsedConfig, parseDrbdConfig } from './parse-config.ts'
import { VolumesOfFiles } from './volumes-of-files.ts'

/** The volumes that a configuration says should be there. */
export interface ConfiguredVolumes {
  readonly volumes: readonly ConfiguredVolume[]
  readonly problems: readonly Problem[]
  /** `null`: all that is configured was read. Otherwise in a few words why there may be more. */
  readonly doubt: string | null
}

/** Where configurations begin: the files that drbdadm looks for, the administrator's folder and LINSTOR's (XOSTOR). */
export const CONFIG_FILES = ['/etc/drbd-90.conf', '/etc/drbd-84.conf', '/etc/drbd.conf'] as const
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
  #host: HostIdentity = { name: null, addresses: null }

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
    const cannotRead = (code: ProblemCode, text: string) => {
      problems.push({ device: null, code, text })
      doubts.push(text)
    }
    const files = new Map<string, ReadFile>()
    const host = await readHostIdentity(this.#root)
    // A file says another thing to a host of another name.
    if (host.name !== this.#host.name) this.#files = new Map()
    this.#host = host
    const known = () => this.#files.keys()
    const list = (path: string) => expandPath(this.#root, path, known, cannotRead)
    const paths: string[] = [...CONFIG_FILES]
    for (const folder of CONFIG_FOLDERS) for (const path of await list(`${folder}/*.res`)) paths.push(path)
    /** Files that an `include` names without wildcards, and where. */
    const named = new Map<string, string>()
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
        const included = posix.resolve(dirname(path), include)
        for (const each of await list(included)) paths.push(each)
        if (!hasWildcards(included)) named.set(included, path)
      }
    }
    for (const [included, by] of named) {
      if (!files.has(included)) cannotRead('include-missing', `${by} includes ${included}, which is not there`)
    }
    this.#files = files
    const volumes = new VolumesOfFiles()
    for (const [path, { parsed, doubt }] of files) {
      volumes.add(path, parsed.volumes)
      problems.push(...parsed.problems)
      if (doubt !== null) doubts.push(doubt)
    }
    return { volumes: volumes.all(), problems, doubt: doubts[0] ?? null }
  }

  /** `null`: there is no such file. */
  async #readFile(path: string): Promise<ReadFile | null> {
    const before = this.#files.get(path)
    try {
      const stats = statSync(join(this.#root, path), { throwIfNoEntry: false })
      if (stats === undefined || stats.isDirectory()) return null
      const isFresh = wasWrittenWithin(this.#restMs, stats)
      const stampOf = (parsed: ParsedConfig | undefined) => (isFresh ? null : this.#stamp(stats, parsed))
      const stamp = stampOf(before?.parsed)
      if (stamp !== null && stamp === before?.stamp) return before
      if (stats.size > MAX_FILE_BYTES) {
        const problem = { code: 'file-too-large' as const, text: `${path} is larger than ${MAX_FILE_BYTES} bytes` }
        return { stamp, isFresh, ...unread(before, problem) }
      }
      const text = await readLimited(join(this.#root, path), stats.size)
      const parsed = parseDrbdConfig(text, path, this.#host)
      const cut = parsed.isWhole || isFresh ? null : (parsed.problems[0]?.text ?? null)
      const read = { stamp: stampOf(parsed), isFresh, parsed, doubt: cut ?? parsed.doubt }
      if (before === undefined || (parsed.isWhole && !isFresh)) return read
      const volumes = new VolumesOfFiles()
      // Of what was cut off in the middle the text before says more.
      volumes.add(path, before.parsed.volumes)
      volumes.add(path, parsed.isWhole ? parsed.volumes : parsed.volumes.filter(({ mirror }) => !volumes.has(mirror)))
      const includes = [...new Set([...before.parsed.includes, ...parsed.includes])]
      return { ...read, parsed: { ...parsed, volumes: volumes.all(), includes } }
    } catch (error) {
      const code = codeOf(error) ?? 'error'
      if (NOTHING_THERE.has(code)) return null
      const problem = { code: 'file-unreadable' as const, text: `${path} cannot be read: ${code}` }
      return { stamp: null, isFresh: false, ...unread(before, problem) }
    }
  }

  /** Of a file that knows hosts by address the addresses are a part of what it says. */
  #stamp({ mtimeMs, ctimeMs, size, ino }: Stats, parsed: ParsedConfig | undefined): string {
    const { addresses } = this.#host
    const known = parsed?.byAddress === true ? [...(addresses ?? [])].join(' ') : ''
    return `${mtimeMs} ${ctimeMs} ${size} ${ino} ${known}`
  }
}

/** What was known of a file that cannot be read now. */
function unread(before: ReadFile | undefined, problem: Omit<Problem, 'device'>): Pick<ReadFile, 'parsed' | 'doubt'> {
  const { volumes = [], includes = [], byAddress = false } = before?.parsed ?? {}
  const problems = [{ device: null, ...problem }]
  const parsed = { volumes, includes, byAddress, isWhole: false, doubt: null, problems }
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
