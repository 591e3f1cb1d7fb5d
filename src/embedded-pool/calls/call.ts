import type { Database } from '../database/database.ts'
import type { ClassName, StringMap } from '../database/records.ts'
import { epochMsOf } from '../database/xapi-datetime.ts'
import type { ROLES, Role } from '../sessions/roles.ts'
import { ApiFailure, handleInvalid } from './api-failure.ts'

/** One XenAPI method. */
export interface Call {
  /** How many parameters it takes, the session not counted; a pair where stock accepts older clients' shorter lists. */
  readonly parameters: number | readonly [fewest: number, most: number]
  /** The least role that may call it, as in stock; `null`: it needs no session. */
  readonly role: (typeof ROLES)[number] | null
  /** True: users below pool-operator may make so many changes in a while only (`ChangeAllowance`). */
  readonly isChange?: true
  /** True: `Async.<method>` exists too. */
  readonly async?: true
  /** True: with a state file, what it has written is on disk before it is answered; if it cannot be, it is taken back. */
  readonly durable?: true
  /**
   * Does it. Everything up to the first `await` happens in one step, which nothing else can come between. What it has written in
   * that step is taken back if it throws.
   * `undefined` is XenAPI's void.
   */
  readonly run: (args: Arguments, context: CallContext) => unknown
}

export type CallTable = Readonly<Record<string, Call>>

/** On whose behalf a call runs. */
export interface Caller {
  /** Ref of the session; `''` where the method needs none. */
  readonly session: string
  readonly user: string
  readonly role: Role
}

export interface CallContext extends Caller {
  /** Ref of the task this call runs as. Only an asynchronous call's is in the database, as in stock. */
  readonly task: string
  /** Aborted when the client has gone, the task is cancelled, or the pool closes. */
  readonly signal: AbortSignal
  /** The machine that calls. */
  readonly address: string
  /** Resolves when it is the caller's turn again: for work that comes after a wait. */
  readonly turn: () => Promise<void>
}

/** Longest string that a client may hand in, in UTF-16 units. The stock database has no such limit; this one is memory. */
const MAX_STRING_LENGTH = 65_536
const MAX_LIST_LENGTH = 1_000
/** Longest map, all keys and values together. */
const MAX_MAP_LENGTH = 262_144

/** Decodes the parameters of a call, one after the other. */
export class Arguments {
  readonly #values: readonly unknown[]
  readonly #db: Database
  #next = 0

  constructor(values: readonly unknown[], db: Database) {
    this.#values = values
    this.#db = db
  }

  /** Whether there is a next one: the last ones of some methods, and members of a record, may be left out. */
  get more(): boolean {
    return this.#values[this.#next] !== undefined
  }

  /** @throws ApiFailure FIELD_TYPE_ERROR, VALUE_NOT_SUPPORTED */
  string(name: string): string {
    return text(this.#take(), name)
  }

  /** The ref of an object that exists. @throws ApiFailure HANDLE_INVALID */
  ref(cls: ClassName): string {
    const ref = this.string(cls)
    if (!this.#db.has(cls, ref)) throw handleInvalid(cls, ref)
    return ref
  }

  /** JSON can say 1e999, which is read as infinity and written as null: kept, it would make a state file that nobody reads. */
  number(name: string): number {
    const value = this.#take()
    if (typeof value !== 'number' || !Number.isFinite(value)) throw new ApiFailure('FIELD_TYPE_ERROR', name)
    return value
  }

  /** A whole number that is exact. */
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
    // fromEntries defines a key called __proto__ like any other
    const map = Object.fromEntries(entries)
    assertMapSize(name, map)
    return map
  }

  /** One of the words. @throws ApiFailure FIELD_TYPE_ERROR, as stock says of a word outside an enum */
  word<W extends string>(name: string, words: readonly W[]): W {
    const value = this.string(name)
    const word = words.find(one => one === value)
    if (word === undefined) throw new ApiFailure('FIELD_TYPE_ERROR', name)
    return word
  }

  /** A moment in XenAPI's form, as milliseconds of the epoch. */
  moment(name: string): number {
    const atMs = epochMsOf(this.string(name))
    if (atMs === null) throw new ApiFailure('FIELD_TYPE_ERROR', name)
    return atMs
  }

  /** The members of a record, to be decoded in the order in which they are named here. */
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
