import { isJsonObject } from './json-object.ts'
/** Where values that are not what they should be are complained of: the first complaint is the one worth showing. */
export interface Complaints {
  first: string | null
}

/** UTF-16 units. */
export const MAX_TEXT_LENGTH = 4096

/**
 * A place in a JSON value from outside. Each reader returns a value of its type whatever stands there, and complains
 * when it had to make one up; who reads looks at `complaints.first` once, at the end. `null` and absent are one.
 */
export class JsonNode {
  readonly value: unknown
  readonly path: string
  readonly #complaints: Complaints

  constructor(value: unknown, path: string, complaints: Complaints) {
    this.value = value
    this.path = path
    this.#complaints = complaints
  }

  get absent(): boolean {
    return this.value === undefined || this.value === null
  }

  /** The member `key`; an absent node where this is no object or has no such member of its own. */
  at(key: string): JsonNode {
    const value = isJsonObject(this.value) && Object.hasOwn(this.value, key) ? this.value[key] : undefined
    return new JsonNode(value, this.path === '' ? key : `${this.path}.${key}`, this.#complaints)
  }

  complain(expected: string): void {
    this.#complaints.first ??= `${this.path === '' ? 'the whole' : this.path}: expected ${expected}`
  }

  expectObject(): this {
    if (!isJsonObject(this.value)) this.complain('an object')
    return this
  }

  /** The members as texts, of an object such as XenAPI's `other_config`. */
  textMap(maxMembers: number): Readonly<Record<string, string>> {
    const value = this.value
    if (!isJsonObject(value)) {
      this.complain('an object of strings')
      return {}
    }
    const keys = Object.keys(value)
    if (keys.length > maxMembers) this.complain(`at most ${maxMembers} members`)
    return Object.fromEntries(keys.slice(0, maxMembers).map(key => [key, this.at(key).possiblyEmptyText()]))
  }

  list(maxItems: number): readonly JsonNode[] {
    const value: unknown = this.value
    if (!Array.isArray(value)) {
      this.complain('a list')
      return []
    }
    if (value.length > maxItems) this.complain(`at most ${maxItems} items`)
    return value
      .slice(0, maxItems)
      .map((item: unknown, index) => new JsonNode(item, `${this.path}[${index}]`, this.#complaints))
  }

  /** A string that says something: the empty one is only accepted by `possiblyEmptyText`. */
  text(): string {
    const text = this.possiblyEmptyText()
    if (text === '') this.complain('a string that is not empty')
    return text
  }

  possiblyEmptyText(): string {
    if (typeof this.value === 'string' && this.value.length <= MAX_TEXT_LENGTH) return this.value
    this.complain(`a string of at most ${MAX_TEXT_LENGTH} characters`)
    return ''
  }

  word<const Word extends string>(words: readonly [Word, ...Word[]]): Word {
    const found = words.find(word => word === this.value)
    if (found === undefined) this.complain(`one of ${words.join(', ')}`)
    return found ?? words[0]
  }

  flag(): boolean {
    if (typeof this.value === 'boolean') return this.value
    this.complain('true or false')
    return false
  }

  /** A number from `min` up to and with `max`. */
  number(min: number, max: number): number {
    if (typeof this.value === 'number' && this.value >= min && this.value <= max) return this.value
    this.complain(`a number from ${min} to ${max}`)
    return min
  }

  /** A whole number that is not negative. */
  count(): number {
    if (Number.isSafeInteger(this.value) && typeof this.value === 'number' && this.value >= 0) return this.value
    this.complain('a whole number that is not negative')
    return 0
  }

  /** ISO 8601 with a zone, as milliseconds of the epoch. Without a zone it would mean another moment on each machine. */
  isoMoment(): number {
    const milliseconds =
      typeof this.value === 'string' && ISO_8601_WITH_ZONE.test(this.value) ? Date.parse(this.value) : Number.NaN
    if (!Number.isNaN(milliseconds)) return milliseconds
    this.complain('an ISO 8601 time with a zone, such as 2026-11-22T16:19:05Z')
    return 0
  }
}

/** Years after 9999 have a sign and six digits, as `Date.toISOString` writes them. */
const ISO_8601_WITH_ZONE = /^(?:\d{4}|[+-]\d{6})-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/
