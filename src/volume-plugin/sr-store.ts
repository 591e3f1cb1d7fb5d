import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readWhole } from '../platform/durable-file/read-whole.ts'
import { replaceFile } from '../platform/durable-file/replace-file.ts'
import { codeOf, messageOf } from '../platform/errors.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import { UUID_PATTERN } from '../platform/text/uuid.ts'
import { backendFailure } from './smapi-error.ts'
import { parseSrConfiguration } from './sr-configuration.ts'

/** What a host remembers of one SR. */
export interface StoredSr {
  readonly schema: 1
  readonly uuid: string
  readonly name: string
  readonly description: string
  readonly configuration: Readonly<Record<string, string>>
  readonly attached: boolean
}

const MAX_RECORD_BYTES = 262_144
const MAX_RECORDS = 1_024
const FILE_NAME = new RegExp(`^(${UUID_PATTERN})\\.json$`)

/**
 * The SRs that a host knows, one file each, so that a damaged one hurts no other. Files are read at every call: what is on
 * disk is the truth. The caller serialises writes and removals of the same record: see KeyedSerialQueue.
 */
export class SrStore {
  readonly #folder: string

  /** @param folder made when the first SR is */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** UUIDs of all SRs, those with a damaged file too. */
  async uuids(): Promise<readonly string[]> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return []
      throw failed(`cannot read ${this.#folder}`, error)
    })
    return names
      .flatMap(name => FILE_NAME.exec(name)?.[1] ?? [])
      .sort()
      .slice(0, MAX_RECORDS)
  }

  /** `null`: there is no such SR. @throws SmapiError naming the file when it is damaged */
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

  /** @throws SmapiError when it cannot be kept: the record before is still there */
  async write(record: StoredSr): Promise<void> {
    const path = this.#pathOf(record.uuid)
    const content = `${JSON.stringify(record, null, 2)}\n`
    if (Buffer.byteLength(content) > MAX_RECORD_BYTES) throw backendFailure('the SR has too long a description')
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      await replaceFile(path, content)
    } catch (error) {
      throw failed(`cannot write ${path}`, error)
    }
  }

  /** Does nothing if there is none. @throws SmapiError */
  async remove(uuid: string): Promise<void> {
    const path = this.#pathOf(uuid)
    try {
      for (const left of [BROKEN, DRAFT]) await rm(`${path}${left}`, { force: true })
      await rm(path)
      await this.#sync()
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw failed(`cannot remove ${path}`, error)
    }
  }

  /** Puts a damaged file aside, for whoever wants to know what was in it: the SR is one that nobody knows. @throws SmapiError */
  async putAside(uuid: string): Promise<void> {
    const path = this.#pathOf(uuid)
    try {
      await rename(path, `${path}${BROKEN}`)
      await this.#sync()
    } catch (error) {
      throw failed(`cannot put ${path} aside`, error)
    }
  }

  /** Without this what was removed may be back after a power cut. */
  async #sync(): Promise<void> {
    const folder = await open(this.#folder)
    await folder.sync().finally(() => folder.close())
  }

  #pathOf(uuid: string): string {
    return join(this.#folder, `${uuid}.json`)
  }
}

/** A configuration names at most a few thousand mirrors. */
const MAX_CONTENT_LENGTH = 16_777_216
const WAY_OUT = 'Correct it, or unplug the SR and plug it again'
const BROKEN = '.broken'
/** What a crash leaves of replaceFile. */
const DRAFT = '.new'

function decode(content: string): StoredSr | null {
  const parsed = parseJson(content, MAX_CONTENT_LENGTH)
  return 'value' in parsed && isRecord(parsed.value) ? parsed.value : null
}

function isRecord(value: unknown): value is StoredSr {
  if (typeof value !== 'object' || value === null) return false
  const { schema, uuid, name, description, configuration, attached } = Object.fromEntries(Object.entries(value))
  return (
    schema === 1 &&
    [uuid, name, description].every(each => typeof each === 'string') &&
    typeof attached === 'boolean' &&
    typeof configuration === 'object' &&
    configuration !== null &&
    Object.values(configuration).every(each => typeof each === 'string')
  )
}

function failed(what: string, error: unknown): Error {
  return backendFailure(`${what}: ${messageOf(error)}`)
}
