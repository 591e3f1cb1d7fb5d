import { isJsonObject } from '../platform/json/json-object.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import { backendFailure } from './smapi-error.ts'

const MAX_BODY_LENGTH = 65_536

/** The named arguments of one call. What a method does not ask for (`dbg`) is ignored. */
export class SmapiParams {
  readonly #params: ReadonlyMap<string, unknown>

  /** @throws SmapiError when the body is no JSON object */
  constructor(body: string) {
    this.#params = new Map(entriesOf(body))
  }

  /** @throws SmapiError when it is missing */
  text(name: string): string {
    const value = this.#params.get(name)
    if (typeof value !== 'string') throw backendFailure(`the argument ${name} must be a string`)
    return value
  }

  /** @throws SmapiError when it is missing, or has anything but strings */
  map(name: string): Readonly<Record<string, string>> {
    const value = this.#params.get(name)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw backendFailure(`the argument ${name} must be an object`)
    const entries = Object.entries(value).map(([key, each]: [string, unknown]) => {
      if (typeof each !== 'string') throw backendFailure(`the argument ${name}.${key} must be a string`)
      return [key, each] as const
    })
    return Object.fromEntries(entries)
  }
}

function entriesOf(body: string): [string, unknown][] {
  const parsed = parseJson(body, MAX_BODY_LENGTH)
  if ('problem' in parsed && parsed.problem === 'too-large')
    throw backendFailure('the arguments of a call are too long')
  const params = 'value' in parsed ? parsed.value : null
  if (isJsonObject(params)) return Object.entries(params)
  throw backendFailure('the arguments of a call are one JSON object')
}
