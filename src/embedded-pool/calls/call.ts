import { epochMsOf } from '../../allowed-operations/pool/xapi-moments.ts'
import type { Database } from '../database/database.ts'
import type { ClassName, StringMap } from '../database/records.ts'
import type { ROLES, Role } from '../sessions/roles.ts'
import { ApiFailure, handleInvalid } from './api-failure.ts'

/** One XenAPI method. */
export interface Call {
  /** The number of parameters without the session; a pair if stock xapi also accepts the shorter lists of older clients. */
  readonly parameters: number | readonly [fewest: number, most: number]
  /** The lowest role that may call it, as in stock xapi; `null` if it needs no session. */
  readonly role: (typeof ROLES)[number] | null
  /** The calls of users below pool-operator count against their `ChangeAllowance`. */
  readonly isChange?: true
  /** `Async.<method>` exists too. */
  readonly async?: true
  /** With a state file, the writes of the call are on disk before the answer. If they cannot be, they are undone. */
  readonly durable?: true
  /**
   * Runs the call. Everything up to the first `await` is one atomic step; its writes are undone if it throws.
   * `undefined` is the void of XenAPI.
   */
  readonly run: (args: Arguments, context: CallContext) => unknown
}

export type CallTable = Readonly<Record<string, Call>>

/** The session and user of a call. */
export interface Caller {
  /** Ref of the session; `''` if the method needs none. */
  readonly session: string
  readonly user: string
  readonly role: Role
}

export interface CallContext extends Caller {
  /** Ref of the task of the call. As in stock xapi, only tasks of asynchronous calls are in the database. */
  readonly task: string
  /** Aborted when the client disconnects, the task is cancelled, or the pool closes. */
  readonly signal: AbortSignal
  /** Address of the client. */
  readonly address: string
  /** Resolves when the caller has its next turn: for work after a wait. */
  readonly turn: () => Promise<void>
}

/** Longest string of a client, in UTF-16 units. The stock database has no such limit; this database is in memory. */
const MAX_STRING_LENGTH = 65_536
const MAX_LIST_LENGTH = 1_000
/** Longest map: the sum of all keys and values. */
const MAX_MAP_LENGTH = 262_144

/** Decodes the parameters of a call in order. */
export class Arguments {
  readonly #values: readonly unknown[]
  readonly #db: Database
  #next = 0

  constructor(values: readonly unknown[], db: Database) {
    this.#values = values
    this.#db = db
  }

  /** Whether there is a next parameter: the last ones of some methods, and members of a record, are optional. */
  get more(): boolean {
    return this.#values[this.#next] !== undefined
  }

  /** @throws ApiFailure FIELD_TYPE_ERROR, VALUE_NOT_SUPPORTED */
  string(name: string): string {
    return text(this.#take(), name)
  }

  /** The ref of an existing object. @throws ApiFailure HANDLE_INVALID */
  ref(cls: ClassName): string {
    const ref = this.string(cls)
    if (!this.#db.has(cls, ref)) throw handleInvalid(cls, ref)
    return ref
  }

  /** A finite number. JSON.parse reads 1e999 as infinity, and JSON.stringify writes infinity as null: the state file would be unreadable. */
  number(name: string): number {
    const value = this.#take()
    if (typeof value !== 'number' || !Number.isFinite(value)) throw new ApiFailure('FIELD_TYPE_ERROR', name)
    return value
  }

  /** An integer in the exact range. */
  integer(name: string): number {
    const value = this.number(name)
    if (!Number.isSafeInteger(value)) throw new ApiFailure('FIELD_TYPE_ERROR', name)
    return value
  }

  flag(name: string): boolean {
    const value = this.#take()
    if (typeof value !== 'boolean') throw new ApiFailure('FIELD_TYPE_ERROR', name)
    return value
  }

  strings(name: string): readonly string[] {
    const value = this.#take()
    if (!Array.isArray(value)) throw new ApiFailure('FIELD_TYPE_ERROR', name)
    if (value.length > MAX_LIST_LENGTH) throw tooLarge(name)
    return value.map((item: unknown) => text(item, name))
  }

  stringMap(name: string): StringMap {
    const entries = Object.entries(this.#struct(name)).map(
      ([key, item]) => [text(key, name), text(item, name)] as const,
    )
    // Object.fromEntries defines a key named __proto__ like any other key
    const map = Object.fromEntries(entries)
    assertMapSize(name, map)
    return map
  }

  /** A member of an enum. @throws ApiFailure FIELD_TYPE_ERROR, as stock xapi for a word outside the enum */
  enumWord<W extends string>(name: string, words: readonly W[]): W {
    const value = this.string(name)
    const word = words.find(one => one === value)
    if (word === undefined) throw new ApiFailure('FIELD_TYPE_ERROR', name)
    return word
  }

  /** A datetime of XenAPI, as Unix time in milliseconds. */
  datetime(name: string): number {
    const atMs = epochMsOf(this.string(name))
    if (atMs === null) throw new ApiFailure('FIELD_TYPE_ERROR', name)
    return atMs
  }

  /** The members of a record, for decoding in the order of `members`. */
  record(name: string, members: readonly string[]): Arguments {
    const struct = this.#struct(name)
    return new Arguments(
      members.map(member => (Object.hasOwn(struct, member) ? struct[member] : undefined)),
      this.#db,
    )
  }

  #struct(name: string): Readonly<Record<string, unknown>> {
    const value = this.#take()
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ApiFailure('FIELD_TYPE_ERROR', name)
    }
    return { ...value }
  }

  #take(): unknown {
    const value = this.#values[this.#next]
    this.#next += 1
    return value
  }
}

/** @throws ApiFailure VALUE_NOT_SUPPORTED */
export function assertMapSize(name: string, map: StringMap): void {
  const length = Object.entries(map).reduce((sum, [key, value]) => sum + key.length + value.length, 0)
  if (length > MAX_MAP_LENGTH) throw tooLarge(name)
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new ApiFailure('FIELD_TYPE_ERROR', name)
  if (value.length > MAX_STRING_LENGTH) throw tooLarge(name)
  return value
}

export function tooLarge(name: string): ApiFailure {
  return new ApiFailure('VALUE_NOT_SUPPORTED', name, '', 'too large')
}
