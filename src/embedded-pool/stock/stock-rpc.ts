import { isJsonObject, parseJson } from '../../platform/json/parse-json.ts'
import type { CallOutcome } from '../dispatch/dispatcher.ts'

/** A request of JSON-RPC 1 (without a `jsonrpc` key) or 2. */
interface StockRequest {
  readonly version: 1 | 2
  readonly id: string | number
  readonly method: string
  readonly params: readonly unknown[]
}

const MAX_BODY_LENGTH = 1_048_576

/**
 * Parses the body of a POST to /jsonrpc. Stock xapi raises an exception for JSON that it cannot read, a batch, a missing or null id and
 * a lone surrogate: the answer is an HTTP error, not one of JSON-RPC.
 */
export function parseStockRequest(body: string): StockRequest | { readonly exception: string } {
  const parsed = parseJson(body, MAX_BODY_LENGTH)
  if ('problem' in parsed) return { exception: 'Jsonrpc.Parse_error' }
  const request = parsed.value
  if (!isJsonObject(request)) return { exception: 'Jsonrpc.Malformed_method_request("not an object")' }
  const { jsonrpc, id, method, params = [] } = request
  if (jsonrpc !== undefined && jsonrpc !== '2.0') return { exception: 'Jsonrpc.Malformed_method_request("jsonrpc")' }
  if (typeof id !== 'string' && !Number.isSafeInteger(id)) {
    return { exception: 'Jsonrpc.Malformed_method_request("missing id")' }
  }
  if (typeof method !== 'string') return { exception: 'Jsonrpc.Malformed_method_request("missing method")' }
  const version = jsonrpc === undefined ? 1 : 2
  // version 2 also takes an object, as the only argument
  const list: readonly unknown[] | null = Array.isArray(params) ? params : version === 2 ? [params] : null
  if (list === null) return { exception: 'Jsonrpc.Malformed_method_request("params")' }
  const clean = method.startsWith('message.') ? replaceControlCharacters : cutAtControlCharacter
  try {
    return {
      version,
      id: typeof id === 'string' ? id : Number(id),
      method,
      params: list.map(each => mapped(each, clean)),
    }
  } catch (error) {
    if (error instanceof LoneSurrogate) return { exception: 'Jsonrpc.Parse_error("invalid UTF-8")' }
    throw error
  }
}

/**
 * The answer to a request (api_server.ml:29-51, api_server_common.ml:195).
 * @param isPlainError a member's unix socket answers errors of version 2 as the plain array of version 1
 */
export function stockAnswer({ version, id }: StockRequest, outcome: CallOutcome, isPlainError: boolean): string {
  const result = 'result' in outcome ? outcome.result : null
  const error = 'error' in outcome ? outcome.error : null
  if (version === 1) return JSON.stringify({ result, error, id })
  if (error === null) return JSON.stringify({ jsonrpc: '2.0', result, id })
  const [message, ...data] = error
  return JSON.stringify({ jsonrpc: '2.0', error: isPlainError ? error : { code: 1, message, data }, id })
}

/** The database keeps a text up to its first control character other than CR, LF and TAB, without an error. */
function cutAtControlCharacter(text: string): string {
  const at = Array.from(text).findIndex(isControlCharacter)
  return at < 0 ? text : Array.from(text).slice(0, at).join('')
}

/** Messages are files and no rows: their control characters come back as U+FFFD. */
function replaceControlCharacters(text: string): string {
  return Array.from(text, each => (isControlCharacter(each) ? '\uFFFD' : each)).join('')
}

function isControlCharacter(character: string): boolean {
  return character < ' ' && !['\t', '\n', '\r'].includes(character)
}

/** Thrown within this file only. */
class LoneSurrogate extends Error {}

function mapped(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new LoneSurrogate()
    return change(value)
  }
  if (Array.isArray(value)) return value.map((each: unknown) => mapped(each, change))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [String(mapped(key, change)), mapped(each, change)]),
  )
}
