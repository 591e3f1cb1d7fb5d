import { ApiFailure } from '../calls/api-failure.ts'

/** The subscription to every class. */
const EVERYTHING = '*'

/** The keys of the subscriptions that include an object: everything, its class, the object. Class names are in lower case, as in events. */
export function keysOf(cls: string, ref: string): readonly [string, string, string] {
  const name = cls.toLowerCase()
  return [EVERYTHING, name, `${name}/${ref}`]
}

/** The subscriptions of one event.from call. The cost of a check does not depend on their number. */
export class Subscriptions {
  /** As in `keysOf`. */
  readonly keys: ReadonlySet<string>
  readonly #classes: ReadonlySet<string>

  /**
   * Each text is `*`, `host` or `host/OpaqueRef:…`; the class is case-insensitive (xapi_event.ml Subscription). As in stock xapi, an
   * unknown class is no error and has no events.
   * @throws ApiFailure EVENT_SUBSCRIPTION_PARSE_FAILURE
   */
  constructor(texts: readonly string[]) {
    const parsed = texts.map(parse)
    this.keys = new Set(parsed.map(({ key }) => key))
    this.#classes = new Set(parsed.map(({ cls }) => cls))
  }

  get size(): number {
    return this.keys.size
  }

  /** Whether the client follows the class or an object of it. */
  followsClass(cls: string): boolean {
    return this.#classes.has(EVERYTHING) || this.#classes.has(cls.toLowerCase())
  }

  followsObject(cls: string, ref: string): boolean {
    return keysOf(cls, ref).some(key => this.keys.has(key))
  }

  /** Whether the client follows only this class. */
  isOnly(cls: string): boolean {
    return [...this.#classes].every(each => each === cls)
  }
}

function parse(text: string): { readonly key: string; readonly cls: string } {
  if (text === EVERYTHING) return { key: EVERYTHING, cls: EVERYTHING }
  const [first = '', ref, ...more] = text.split('/')
  if (more.length > 0) throw new ApiFailure('EVENT_SUBSCRIPTION_PARSE_FAILURE', text)
  const cls = first.toLowerCase()
  return { key: ref === undefined ? cls : `${cls}/${ref}`, cls }
}

/** The generations up to which a client has seen the database and, separately, the messages. */
export interface EventPosition {
  readonly database: number
  readonly messages: number
}

const START: EventPosition = { database: 0, messages: 0 }

/** The format of stock xapi, `%020Ld,%020Ld` (xapi_event.ml:46-49). Opaque to clients. */
export function formatToken(position: EventPosition): string {
  return `${digits(position.database)},${digits(position.messages)}`
}

/** `''` is the start. @throws ApiFailure EVENT_FROM_TOKEN_PARSE_FAILURE */
export function parseToken(token: string): EventPosition {
  if (token === '') return START
  const [, database, messages] = /^(\d{1,20}),(\d{1,20})$/.exec(token) ?? []
  if (database === undefined || messages === undefined) throw new ApiFailure('EVENT_FROM_TOKEN_PARSE_FAILURE', token)
  return { database: generation(database), messages: generation(messages) }
}

function digits(value: number): string {
  return String(value).padStart(20, '0')
}

/** A token of another pool may exceed the exact range of numbers; it is above every generation of this pool in any case. */
function generation(text: string): number {
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER)
}
