import { isJsonObject } from './parse-json.ts'
/** Collects the first complaint about a value. Later ones are often consequences. */
export interface Complaints {
  first: string | null
}

/** UTF-16 units. */
export const MAX_TEXT_LENGTH = 4096

/**
 * A place in a JSON value of unknown shape. Each method returns a value of its type in any case, and complains if it had to substitute one.
 * The caller checks `complaints.first` once, at the end. `null` and absent are the same.
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

  /** The member `key`; an absent node if this is no object or has no such own member. */
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

  /** The members of an object of texts, such as XenAPI's `other_config`. */
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

  /** A string that is not empty. */
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

  /** A number from `min` to `max`, inclusive. */
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

  /** An ISO 8601 time with a zone, as Unix time in milliseconds. Without a zone it would be ambiguous. */
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
