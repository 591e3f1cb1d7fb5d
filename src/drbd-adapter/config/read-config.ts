import { type Stats, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { codeOf } from '../../platform/errors.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { Problem, ProblemCode } from '../../sync-query/judge/problem.ts'
import type { HostIdentity } from './config-hosts.ts'
import type { ConfiguredVolume } from './configured-resource.ts'
import { expandPath, hasWildcards, NOTHING_THERE } from './expand-path.ts'
import { readHostIdentity } from './host-identity.ts'
import { MergedVolumes } from './merged-volumes.ts'
import { type ParsedDrbdConfig, parseDrbdConfig } from './parse-config.ts'

/** The volumes that the configuration defines for this host. */
export interface ConfiguredVolumes {
  readonly volumes: readonly ConfiguredVolume[]
  readonly problems: readonly Problem[]
  /** `null`: the whole configuration was read. Otherwise the reason why there may be more volumes, in a few words. */
  readonly doubt: string | null
}

/** The start of the configuration: the files that drbdadm uses, the administrator's folder and LINSTOR's (XOSTOR). */
export const CONFIG_FILES = ['/etc/drbd-90.conf', '/etc/drbd-84.conf', '/etc/drbd.conf'] as const
export const CONFIG_FOLDERS = ['/etc/drbd.d', '/var/lib/linstor.d'] as const

const MAX_FILES = 20_000
/** A file with 5 000 volumes has a few MiB. */
const MAX_FILE_BYTES = 16 * 2 ** 20

/** Milliseconds since its last change after which a file counts as complete. Longer than a tick of any file system's clock. */
export const DEFAULT_SETTLE_MS = 250

/** Number of files to check before other work gets a turn. A turn per file would cost ten times as much. */
const FILES_PER_TURN = 250

interface ReadFile {
  /** A file with an equal stamp is not read again. `null`: the file could not be read, or may change unnoticed. */
  readonly stamp: string | null
  /** The file was just written, and may be written again. */
  readonly isFresh: boolean
  readonly parsed: ParsedDrbdConfig
  /** Why the file may define more volumes than were read, although it is not being written. */
  readonly doubt: string | null
}

/** Reads once the volumes that this host's configuration defines. @param root the directory that stands for `/` */
export function readDrbdConfig(root: string, clock: Clock): Promise<ConfiguredVolumes> {
  return new DrbdConfigReader(root, clock).read()
}

/**
 * Reads the configuration repeatedly, each file only when it has changed.
 *
 * A volume stays configured until a complete, settled file omits it or the file is deleted: a file that is being written must not look
 * like a removed resource. A file or folder that cannot be read completely causes a doubt until it can: it must not look like an empty
 * configuration.
 */
export class DrbdConfigReader {
  readonly #root: string
  readonly #clock: Clock
  readonly #settleMs: number
  #files: ReadonlyMap<string, ReadFile> = new Map()
  /** The host identity of the last read. */
  #host: HostIdentity = { name: null, addresses: null }

  constructor(root: string, clock: Clock, settleMs: number = DEFAULT_SETTLE_MS) {
    this.#root = root
    this.#clock = clock
    this.#settleMs = settleMs
  }

  /** A file was written recently and must be read again soon. */
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
    // The meaning of a file depends on the host name.
    if (host.name !== this.#host.name) this.#files = new Map()
    this.#host = host
    const known = () => this.#files.keys()
    const list = (path: string) => expandPath(this.#root, path, known, cannotRead)
    const paths: string[] = [...CONFIG_FILES]
    for (const folder of CONFIG_FOLDERS) for (const path of await list(`${folder}/*.res`)) paths.push(path)
    /** Files that an `include` without wildcards names, with the including file. */
    const named = new Map<string, string>()
    let checked = 0
    for (const path of paths) {
      if (files.has(path)) continue
      if (files.size >= MAX_FILES) {
        cannotRead('too-many-files', `there are more than ${MAX_FILES} files`)
        break
      }
      checked += 1
      if (checked % FILES_PER_TURN === 0) await nextTurn()
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
      if (!files.has(included)) cannotRead('include-missing', `${by} includes ${included}, which does not exist`)
    }
    this.#files = files
    const volumes = new MergedVolumes()
    for (const [path, { parsed, doubt }] of files) {
      volumes.add(path, parsed.volumes)
      problems.push(...parsed.problems)
      if (doubt !== null) doubts.push(doubt)
    }
    return { volumes: volumes.all(), problems, doubt: doubts[0] ?? null }
  }

  /** `null`: the file does not exist. */
  async #readFile(path: string): Promise<ReadFile | null> {
    const before = this.#files.get(path)
    try {
      const stats = statSync(join(this.#root, path), { throwIfNoEntry: false })
      if (stats === undefined || stats.isDirectory()) return null
      const isFresh = this.#wasJustWritten(stats)
      const stampOf = (parsed: ParsedDrbdConfig | undefined) => (isFresh ? null : this.#stamp(stats, parsed))
      const stamp = stampOf(before?.parsed)
      if (stamp !== null && stamp === before?.stamp) return before
      if (stats.size > MAX_FILE_BYTES) {
        const problem = { code: 'file-too-large' as const, text: `${path} is larger than ${MAX_FILE_BYTES} bytes` }
        return { stamp, isFresh, ...lastKnown(before, problem) }
      }
      const text = await readLimited(join(this.#root, path), stats.size)
      const parsed = parseDrbdConfig(text, path, this.#host)
      const cut = parsed.isWhole || isFresh ? null : (parsed.problems[0]?.text ?? null)
      const read = { stamp: stampOf(parsed), isFresh, parsed, doubt: cut ?? parsed.doubt }
      if (before === undefined || (parsed.isWhole && !isFresh)) return read
      const volumes = new MergedVolumes()
      // For a volume whose definition is truncated the previous text is more complete.
      volumes.add(path, before.parsed.volumes)
      volumes.add(path, parsed.isWhole ? parsed.volumes : parsed.volumes.filter(({ mirror }) => !volumes.has(mirror)))
      const includes = [...new Set([...before.parsed.includes, ...parsed.includes])]
      return { ...read, parsed: { ...parsed, volumes: volumes.all(), includes } }
    } catch (error) {
      const code = codeOf(error) ?? 'error'
      if (NOTHING_THERE.has(code)) return null
      const problem = { code: 'file-unreadable' as const, text: `${path} cannot be read: ${code}` }
      return { stamp: null, isFresh: false, ...lastKnown(before, problem) }
    }
  }

  /** For a file that refers to hosts by address the stamp includes the addresses. */
  #stamp({ mtimeMs, ctimeMs, size, ino }: Stats, parsed: ParsedDrbdConfig | undefined): string {
    const { addresses } = this.#host
    const known = parsed?.byAddress === true ? [...(addresses ?? [])].join(' ') : ''
    return `${mtimeMs} ${ctimeMs} ${size} ${ino} ${known}`
  }

  /** The distance counts in both directions: the file's clock can be slightly ahead, and a clock that was set back must not matter. */
  #wasJustWritten({ mtimeMs, ctimeMs }: Stats): boolean {
    return Math.abs(this.#clock.now() - Math.max(mtimeMs, ctimeMs)) < this.#settleMs
  }
}

/** The last known content of a file that cannot be read now. */
function lastKnown(before: ReadFile | undefined, problem: Omit<Problem, 'device'>): Pick<ReadFile, 'parsed' | 'doubt'> {
  const { volumes = [], includes = [], byAddress = false } = before?.parsed ?? {}
  const problems = [{ device: null, ...problem }]
  const parsed = { volumes, includes, byAddress, isWhole: false, doubt: null, problems }
  return { parsed, doubt: problem.text }
}

async function readLimited(path: string, bytes: number): Promise<string> {
  const file = await open(path)
  try {
    const buffer = Buffer.allocUnsafe(bytes)
    let length = 0
    // A read from a network file system can return fewer bytes than requested.
    for (let bytesRead = -1; bytesRead !== 0 && length < bytes; length += bytesRead) {
      bytesRead = (await file.read(buffer, length, bytes - length, length)).bytesRead
    }
    return buffer.toString('utf8', 0, length)
  } finally {
    await file.close()
  }
}
