import { createHash } from 'node:crypto'
import { isJsonObject, parseJson } from '../../platform/json/parse-json.ts'
import { decodeHostMemory, type LastingHostMemory } from '../hosts/host-memory.ts'
import { newHost, newHostMetrics, newMessage, newPbd, newPool, newSr } from './new-record.ts'
import { NULL_REF, type RecordTypes } from './records.ts'

/** The classes that the state file keeps. As in stock xapi, sessions and tasks do not outlive the process. */
export const LASTING_CLASSES = ['pool', 'host', 'host_metrics', 'SR', 'PBD', 'message'] as const

export type LastingClass = (typeof LASTING_CLASSES)[number]

type LastingTables = { readonly [C in LastingClass]: ReadonlyMap<string, RecordTypes[C]> }

/** The content of a state file. */
export interface StoredPool {
  /** Generation of the database. */
  readonly generation: number
  readonly tables: LastingTables
  /** By ref of the host. */
  readonly hosts: ReadonlyMap<string, LastingHostMemory>
}

const FORMAT = 'resync-monitor pool state'
const SCHEMA = 1
/** The longest string of V8. `readStateFile` reads less. */
const MAX_STATE_LENGTH = 2 ** 29

/** Records are immutable, so each is encoded once. Encoding the thousands of reports of a pool at every write would cost too much. */
const TEXTS = new WeakMap<object, string>()

/**
 * Encodes a pool as two lines: a header with the SHA-256 of the second line, and the state as JSON.
 * @throws Error if a number is not finite: JSON would contain null, and the file would be unreadable
 */
export function encodeState({ generation, tables, hosts }: StoredPool): string {
  const table = (rows: ReadonlyMap<string, object>) =>
    `{${Array.from(rows, ([ref, record]) => `${JSON.stringify(ref)}:${recordText(record)}`).join(',')}}`
  const texts = LASTING_CLASSES.map(cls => `"${cls}":${table(tables[cls])}`)
  const memory = JSON.stringify(Object.fromEntries(hosts), finite)
  const body = `{"generation":${generation},"tables":{${texts.join(',')}},"hosts":${memory}}\n`
  return `${JSON.stringify({ format: FORMAT, schema: SCHEMA, sha256: sha256(body) })}\n${body}`
}

/** Decodes what `encodeState` wrote. Anything else is a problem: a text that follows "state file PATH: ". */
export function decodeState(text: string): { readonly state: StoredPool } | { readonly problem: string } {
  const end = text.indexOf('\n') + 1
  const body = text.slice(end)
  const header = parsed(text.slice(0, end))
  if (!isJsonObject(header) || header.format !== FORMAT) return { problem: 'it is not a pool state of resync-monitor' }
  if (header.schema !== SCHEMA) {
    return { problem: `its schema is ${JSON.stringify(header.schema)}; this version reads schema ${SCHEMA}` }
  }
  if (header.sha256 !== sha256(body)) return { problem: 'it is incomplete or was edited: its checksum does not match' }
  const root = parsed(body)
  if (!isJsonObject(root)) return { problem: 'it is not a JSON object' }
  const { generation, tables, hosts } = root
  if (typeof generation !== 'number' || !Number.isSafeInteger(generation) || generation < 0) {
    return { problem: 'generation is not a whole number' }
  }
  if (!isJsonObject(tables)) return { problem: 'tables is not an object' }
  try {
    const state: StoredPool = {
      generation,
      tables: {
        pool: rows(tables, 'pool', newPool({ uuid: '' })),
        host: rows(tables, 'host', newHost({ uuid: '' })),
        host_metrics: rows(tables, 'host_metrics', newHostMetrics({ uuid: '' })),
        SR: rows(tables, 'SR', newSr({ uuid: '' })),
        PBD: rows(tables, 'PBD', newPbd({ uuid: '' })),
        message: rows(tables, 'message', newMessage({ uuid: '' })),
      },
      hosts: hostMemories(hosts),
    }
    assertConsistent(state)
    return { state }
  } catch (error) {
    if (error instanceof StateProblem) return { problem: error.message }
    throw error
  }
}

/** Thrown within this file only. */
class StateProblem extends Error {}

function recordText(record: object): string {
  const known = TEXTS.get(record)
  if (known !== undefined) return known
  const text = JSON.stringify(record, finite)
  TEXTS.set(record, text)
  return text
}

function finite(key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new Error(`${key} is ${value}, which JSON cannot represent`)
  return value
}

function rows<T extends { readonly uuid: string }>(
  tables: Struct,
  cls: LastingClass,
  exemplar: T,
): ReadonlyMap<string, T> {
  const table = tables[cls]
  if (!isJsonObject(table)) throw new StateProblem(`tables.${cls} is not an object`)
  return new Map(
    Object.entries(table).map(([ref, record]) => {
      if (!ref.startsWith('OpaqueRef:')) throw new StateProblem(`tables.${cls}: ${JSON.stringify(ref)} is not a ref`)
      return [ref, completed(record, exemplar, `tables.${cls}[${ref}]`)]
    }),
  )
}

/**
 * Completes a record that an earlier version wrote with fewer fields: missing fields get the values of a new record. The uuid must be
 * present. An unknown field is an error: a file of a later version is for that version.
 * @throws StateProblem
 */
function completed<T extends { readonly uuid: string }>(value: unknown, exemplar: T, path: string): T {
  if (!isJsonObject(value)) throw new StateProblem(`${path} is not an object`)
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(exemplar, key)) throw new StateProblem(`${path}.${key} is not a field of this class`)
  }
  const missing = Object.entries(exemplar).filter(([key]) => key !== 'uuid' && !Object.hasOwn(value, key))
  const record = missing.length === 0 ? value : { ...value, ...Object.fromEntries(missing) }
  if (isLike(record, exemplar, path)) return record
  throw new StateProblem(path)
}

/** Asserts that a value has the fields of the exemplar, each of the same kind. @throws StateProblem */
function isLike<T extends object>(value: Struct, exemplar: T, path: string): value is Struct & T {
  for (const [key, example] of Object.entries(exemplar)) {
    if (!Object.hasOwn(value, key) || kindOf(value[key]) !== kindOf(example)) {
      throw new StateProblem(`${path}.${key} is missing or not a ${kindOf(example)}`)
    }
  }
  return true
}

/** The kind of a field of a record. */
function kindOf(
  value: unknown,
): 'string' | 'number' | 'flag' | 'list of strings' | 'map of strings' | 'something else' {
  if (typeof value === 'string') return 'string'
  if (typeof value === 'number') return 'number'
  if (typeof value === 'boolean') return 'flag'
  if (Array.isArray(value)) return value.every(item => typeof item === 'string') ? 'list of strings' : 'something else'
  if (isJsonObject(value) && Object.values(value).every(item => typeof item === 'string')) return 'map of strings'
  return 'something else'
}

function hostMemories(hosts: unknown): StoredPool['hosts'] {
  if (!isJsonObject(hosts)) throw new StateProblem('hosts is not an object')
  return new Map(
    Object.entries(hosts).map(([ref, memory]) => {
      const read = isJsonObject(memory) ? decodeHostMemory(memory) : null
      if (read === null) throw new StateProblem(`hosts[${ref}] is not a valid memory of a host`)
      return [ref, read]
    }),
  )
}

/** Asserts that every ref exists: a dangling ref would hide a host or an SR from the gate. @throws StateProblem */
function assertConsistent({ tables, hosts }: StoredPool): void {
  const [pool, ...more] = [...tables.pool.values()]
  if (pool === undefined || more.length > 0) throw new StateProblem('tables.pool does not contain exactly one pool')
  if (pool.master !== NULL_REF) assertThere(tables, 'host', pool.master, 'the coordinator')
  for (const [ref, host] of tables.host) {
    assertThere(tables, 'host_metrics', host.metrics, `the metrics of host ${ref}`)
    assertSame(host.PBDs, pbdsWith(tables, 'host', ref), `host ${ref}`)
  }
  for (const [ref, sr] of tables.SR) assertSame(sr.PBDs, pbdsWith(tables, 'SR', ref), `SR ${ref}`)
  for (const [ref, pbd] of tables.PBD) {
    assertThere(tables, 'host', pbd.host, `the host of PBD ${ref}`)
    assertThere(tables, 'SR', pbd.SR, `the SR of PBD ${ref}`)
  }
  for (const ref of hosts.keys()) assertThere(tables, 'host', ref, 'a host in hosts')
}

function pbdsWith(tables: LastingTables, field: 'host' | 'SR', ref: string): readonly string[] {
  return Array.from(tables.PBD).flatMap(([pbd, record]) => (record[field] === ref ? [pbd] : []))
}

function assertThere(tables: LastingTables, cls: LastingClass, ref: string, what: string): void {
  if (!tables[cls].has(ref)) throw new StateProblem(`${what} is ${ref}, but there is no such ${cls}`)
}

function assertSame(listed: readonly string[], actual: readonly string[], owner: string): void {
  if ([...listed].sort().join() !== [...actual].sort().join()) {
    throw new StateProblem(`the PBDs field of ${owner} does not list the PBDs that refer to it`)
  }
}

type Struct = Readonly<Record<string, unknown>>

function parsed(text: string): unknown {
  const json = parseJson(text, MAX_STATE_LENGTH)
  return 'value' in json ? json.value : undefined
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
