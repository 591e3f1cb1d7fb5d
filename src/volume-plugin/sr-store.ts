import { access, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readWhole } from '../platform/durable-file/read-whole.ts'
import { replaceFile } from '../platform/durable-file/replace-file.ts'
import { codeOf, messageOf } from '../platform/errors.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import { UUID_PATTERN } from '../platform/text/uuid.ts'
import { backendFailure } from './smapi-error.ts'
import { parseSrConfiguration } from './sr-configuration.ts'

const StoredSr = z
  .object({
    schema: z.literal(1),
    uuid: z.string(),
    name: z.string(),
    description: z.string(),
    configuration: z.record(z.string(), z.string()).readonly(),
    attached: z.boolean(),
    /** When it was detached, milliseconds since 1970. */
    detachedAt: z.number().exactOptional(),
  })
  .readonly()

/** What a host remembers of one SR. */
export type StoredSr = z.output<typeof StoredSr>

const MAX_RECORD_BYTES = 1_048_576
const MAX_RECORDS = 1_024
const FILE_NAME = new RegExp(`^(${UUID_PATTERN})\\.json$`)
/** The script leaves this file if it cannot reach the agent when an SR is detached. plugin/volume/…/smapi-call has the suffix too. */
const LEFT_DETACHED = '.detached'
const LEFT_DETACHED_NAME = new RegExp(`^(${UUID_PATTERN})\\${LEFT_DETACHED}$`)

/**
 * The SRs of a host, one file each, so that a damaged file affects one SR only. Every call reads the file: what is on disk counts. The caller serialises writes and removals of the same record: see KeyedSerialQueue.
 */
export class SrStore {
  readonly #folder: string

  /** @param folder created with the first SR */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** UUIDs of all SRs, including those with a damaged file. */
  uuids(): Promise<readonly string[]> {
    return this.#named(FILE_NAME)
  }

  /** UUIDs of the SRs that were detached while the agent could not be reached. */
  leftDetached(): Promise<readonly string[]> {
    return this.#named(LEFT_DETACHED_NAME)
  }

  /** Whether this SR was detached while the agent could not be reached. */
  async isLeftDetached(uuid: string): Promise<boolean> {
    return access(this.#leftDetachedPath(uuid)).then(
      () => true,
      () => false,
    )
  }

  /** The record has what the script left. @throws Error */
  async clearLeftDetached(uuid: string): Promise<void> {
    await rm(this.#leftDetachedPath(uuid), { force: true })
  }

  /** Returns `null` if there is no such SR. @throws SmapiError naming the file when it is damaged */
  async read(uuid: string): Promise<StoredSr | null> {
    const path = this.#pathOf(uuid)
    const content = await readWhole(path, MAX_RECORD_BYTES).catch((error: unknown) => {
      throw failed(`cannot read ${path}`, error)
    })
    if (content === null) return null
    const record = decode(content)
    if (record === null || record.uuid !== uuid) throw backendFailure(`${path} is damaged. ${WAY_OUT}`)
    try {
      parseSrConfiguration(uuid, record.configuration)
    } catch (error) {
      throw failed(`${path} is damaged. ${WAY_OUT}`, error)
    }
    return record
  }

  /** @throws SmapiError when the file cannot be written; the previous record is still there */
  async write(record: StoredSr): Promise<void> {
    const path = this.#pathOf(record.uuid)
    const content = encode(record)
    if (Buffer.byteLength(content) > MAX_RECORD_BYTES) throw backendFailure('the description of the SR is too long')
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      await replaceFile(path, content)
    } catch (error) {
      throw failed(`cannot write ${path}`, error)
    }
  }

  /** Does nothing if there is no file. @throws SmapiError */
  async remove(uuid: string): Promise<void> {
    const path = this.#pathOf(uuid)
    try {
      for (const left of [BROKEN, DRAFT]) await rm(`${path}${left}`, { force: true })
      await this.clearLeftDetached(uuid)
      await rm(path)
      await this.#sync()
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw failed(`cannot remove ${path}`, error)
    }
  }

  /** Renames a damaged file, so that an operator can inspect it. The SR no longer exists. @throws SmapiError */
  async putAside(uuid: string): Promise<void> {
    const path = this.#pathOf(uuid)
    try {
      await rename(path, `${path}${BROKEN}`)
      await this.#sync()
    } catch (error) {
      throw failed(`cannot put ${path} aside`, error)
    }
  }

  /** Without this a removed file may come back after a power failure. */
  async #sync(): Promise<void> {
    const folder = await open(this.#folder)
    await folder.sync().finally(() => folder.close())
  }

  async #named(pattern: RegExp): Promise<readonly string[]> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return []
      throw failed(`cannot read ${this.#folder}`, error)
    })
    return names
      .flatMap(name => pattern.exec(name)?.[1] ?? [])
      .sort()
      .slice(0, MAX_RECORDS)
  }

  #pathOf(uuid: string): string {
    return join(this.#folder, `${uuid}.json`)
  }

  #leftDetachedPath(uuid: string): string {
    return join(this.#folder, `${uuid}${LEFT_DETACHED}`)
  }
}

/** A configuration names at most a few thousand mirrors. */
const MAX_CONTENT_LENGTH = 16_777_216
const WAY_OUT = 'Correct it, or unplug the SR and plug it again'
const BROKEN = '.broken'
/** What an interrupted replaceFile leaves behind. */
const DRAFT = '.new'

/** JSON's escapes of one letter, and the characters outside printable ASCII. */
const TO_ESCAPE = /\\(["\\bfnrt])|[^\n -~]/g
const LETTERS: ReadonlyMap<string, string> = new Map([
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

/**
 * Writes a record so that a shell can read it (smapi-call): one key a line, what SR.stat needs first, in printable ASCII, with no escapes
 * but `\uXXXX`.
 */
function encode({ schema, uuid, attached, name, description, ...rest }: StoredSr): string {
  const json = JSON.stringify({ schema, uuid, attached, name, description, ...rest }, null, 2)
  const escaped = json.replaceAll(TO_ESCAPE, (whole: string, letter: string | undefined) => {
    const character = letter === undefined ? whole : (LETTERS.get(letter) ?? letter)
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return `${escaped}\n`
}

function decode(content: string): StoredSr | null {
  const parsed = parseJson(content, MAX_CONTENT_LENGTH)
  const stored = StoredSr.safeParse('value' in parsed ? parsed.value : null)
  return stored.success ? stored.data : null
}

function failed(what: string, error: unknown): Error {
  return backendFailure(`${what}: ${messageOf(error)}`)
}
