import { ApiFailure, handleInvalid } from './api-failure.ts'
import type { Database } from './database.ts'
import type { ClassName, StringMap } from './records.ts'

/** One XenAPI method. */
export interface Call {
  /** How many parameters it takes, the session not counted; a pair where stock accepts older clients' shorter lists. */
  readonly parameters: number | readonly [fewest: number, most: number]
  /** False for the few that need no session. */
  readonly session?: false
  /** True: `Async.<method>` exists too. */
  readonly async?: true
  /**
   * Does it. Everything up to the first `await` happens in one step, which nothing else can come between.
   * `undefined` is XenAPI's void.
   */
  readonly run: (args: Arguments, context: CallContext) => unknown
}

export type CallTable = Readonly<Record<string, Call>>

export interface CallContext {
  /** Ref of the caller's session; `''` where the method needs none. */
  readonly session: string
  /** Ref of the task this call runs as. Only an asynchronous call's is in the database, as in stock. */
  readonly task: string
  /** Aborted when the client has gone, or the pool closes. */
  readonly signal: AbortSignal
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

  number(name: string): number {
    const value = this.#take()
    if (typeof value !== 'number') throw new ApiFailure('FIELD_TYPE_ERROR', name)
    return value
  }

  strings(name: string): readonly string[] {
    const value = this.#take()
    if (!Array.isArray(value)) throw new ApiFailure('FIELD_TYPE_ERROR', name)
    if (value.length > MAX_LIST_LENGTH) throw tooLarge(name)
    return value.map((item: unknown) => text(item, name))
  }

  stringMap(name: string): StringMap {
    const value = this.#take()
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ApiFailure('FIELD_TYPE_ERROR', name)
    }
    const entries = Object.entries(value).map(([key, item]) => [text(key, name), text(item, name)] as const)
    // fromEntries defines a key called __proto__ like any other
    return Object.fromEntries(entries)
  }

  /** One of the words. @throws ApiFailure FIELD_TYPE_ERROR, as stock says of a word outside an enum */
  word<W extends string>(name: string, words: readonly W[]): W {
    const value = this.string(name)
    const word = words.find(one => one === value)
    if (word === undefined) throw new ApiFailure('FIELD_TYPE_ERROR', name)
    return word
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

function tooLarge(name: string): ApiFailure {
  return new ApiFailure('VALUE_NOT_SUPPORTED', name, '', 'too large')
}
