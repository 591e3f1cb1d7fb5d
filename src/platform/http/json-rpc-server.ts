import { createJSONRPCErrorResponse, JSONRPCErrorCode, type JSONRPCResponse, JSONRPCServer } from 'json-rpc-2.0'
import { JSON_PROBLEM_WORDS, type ParsedJson, parseJson } from '../json/parse-json.ts'

export interface JsonRpcError {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

export type JsonRpcOutcome = { readonly result: unknown } | { readonly error: JsonRpcError }

export interface JsonRpcServerOptions<Context> {
  /** Runs one call. It must not reject. */
  readonly run: (method: string, params: unknown, context: Context) => Promise<JsonRpcOutcome>
  /** Receives the exception when an answer cannot be written as JSON. */
  readonly onBug: (bug: unknown) => void
  /** The error of a call that failed through this program's own fault. */
  readonly ownError: (text: string) => JsonRpcError
  /** In UTF-16 units. */
  readonly maxBodyLength: number
  /** `named-or-positional`: as the specification has it. `positional`: a list only, and what is no list counts as an empty one in JSON-RPC 1. */
  readonly params: 'named-or-positional' | 'positional'
  /** Whether a request without an id is carried out. It gets no answer, so a caller would not learn that it failed. */
  readonly allowNotifications: boolean
  /** Whether a request without a `jsonrpc` key is JSON-RPC 1: its error is a list of the message and the items of `data`. */
  readonly allowVersion1: boolean
}

/** A batch with more requests than this is refused as a whole. */
const MAX_BATCH = 100
/** Longest answer to a batch, in UTF-16 units. A call whose result does not fit is answered with an error. */
const MAX_BATCH_ANSWER_LENGTH = 16_777_216

type RequestId = string | number

interface Version1Response {
  readonly result: unknown
  readonly error: unknown
  readonly id: RequestId | null
}

type Response = JSONRPCResponse | Version1Response

/** A JSON-RPC 2.0 server for one route of an `HttpServer`. Options say what its dialect adds or refuses. */
export class JsonRpcServer<Context> {
  readonly #options: JsonRpcServerOptions<Context>
  readonly #server = new JSONRPCServer<Context>({ errorListener: () => undefined })

  constructor(options: JsonRpcServerOptions<Context>) {
    this.#options = options
    // `run` knows which methods exist.
    this.#server.applyMiddleware(async (_next, { id, method, params }, context) =>
      toResponse(id ?? null, await options.run(method, params, context)),
    )
  }

  /** Answers a request body. `null`: there is nothing to answer, because it holds notifications only. Never rejects. */
  async answer(body: string, context: Context): Promise<string | null> {
    const parsed: ParsedJson = parseJson(body, this.#options.maxBodyLength)
    if ('problem' in parsed) return unreadable(`the request is ${JSON_PROBLEM_WORDS[parsed.problem]}`)
    const request = parsed.value
    if (!Array.isArray(request)) return this.#write(await this.#answerOne(request, context))
    if (request.length === 0) return JSON.stringify(invalid(null, 'an empty batch'))
    if (request.length > MAX_BATCH) return JSON.stringify(invalid(null, `a batch of more than ${MAX_BATCH}`))
    let left = MAX_BATCH_ANSWER_LENGTH
    // Each request by itself: json-rpc-2.0 answers a batch of one with an object.
    const answers = await Promise.all(
      request.map(async (one: unknown) => {
        const response = await this.#answerOne(one, context)
        // Written at once, in the turn of the call whose answer it is.
        const text = this.#write(response)
        if (text === null || response === null) return null
        left -= text.length
        if (left >= 0) return text
        return JSON.stringify(withError(response, this.#options.ownError('the answers to this batch are too long')))
      }),
    )
    const sent = answers.filter(answer => answer !== null)
    return sent.length === 0 ? null : `[${sent.join(',')}]`
  }

  /** An answer that is longer than a string can be, or is no JSON, is an error of its call and leaves the connection open. */
  #write(response: Response | null): string | null {
    if (response === null) return null
    try {
      return JSON.stringify(response)
    } catch (bug) {
      this.#options.onBug(bug)
      return JSON.stringify(withError(response, this.#options.ownError('the answer cannot be written')))
    }
  }

  async #answerOne(request: unknown, context: Context): Promise<Response | null> {
    if (typeof request !== 'object' || request === null) return invalid(null, 'a request must be an object')
    // An id that is no scalar is not echoed: one that is nested deep enough could not be written again.
    const id = 'id' in request && isRequestId(request.id) ? request.id : null
    const hasBadId = 'id' in request && request.id !== null && id === null
    if (!('method' in request) || typeof request.method !== 'string') return invalid(id, 'there is no method')
    const { method } = request
    const given: unknown = 'params' in request ? request.params : undefined
    const isPositional = this.#options.params === 'positional'
    if (!('jsonrpc' in request) && this.#options.allowVersion1) {
      return toVersion1(id, await this.#options.run(method, Array.isArray(given) ? given : [], context))
    }
    if (!('jsonrpc' in request) || request.jsonrpc !== '2.0') return invalid(id, 'this is not JSON-RPC 2.0')
    if (hasBadId) return invalid(null, 'the id must be a string or a number')
    if (id === null && !this.#options.allowNotifications) return invalid(null, 'there is no id')
    const params: unknown = given === undefined && isPositional ? [] : given
    if (isPositional && !Array.isArray(params)) {
      return createJSONRPCErrorResponse(id, JSONRPCErrorCode.InvalidParams, 'Invalid params: they must be a list')
    }
    if (params !== undefined && (typeof params !== 'object' || params === null)) {
      return invalid(null, 'the parameters must be an object or a list')
    }
    const isNotification = !('id' in request)
    const response = await this.#server.receive(
      { jsonrpc: '2.0', method, ...(isNotification ? {} : { id }), ...(params === undefined ? {} : { params }) },
      context,
    )
    return isNotification ? null : response
  }
}

/** The answer to a body that cannot be read at all. */
export function unreadable(why: string): string {
  return JSON.stringify(createJSONRPCErrorResponse(null, JSONRPCErrorCode.ParseError, `Parse error: ${why}`))
}

function toResponse(id: RequestId | null, outcome: JsonRpcOutcome): JSONRPCResponse {
  if ('result' in outcome) return { jsonrpc: '2.0', id, result: outcome.result }
  const { code, message, data } = outcome.error
  return createJSONRPCErrorResponse(id, code, message, data)
}

function toVersion1(id: RequestId | null, outcome: JsonRpcOutcome): Version1Response {
  if ('result' in outcome) return { result: outcome.result, error: null, id }
  const { message, data = [] } = outcome.error
  return { result: null, error: [message, ...(Array.isArray(data) ? data : [data])], id }
}

function withError(response: Response, error: JsonRpcError): Response {
  return 'jsonrpc' in response ? toResponse(response.id, { error }) : toVersion1(response.id, { error })
}

function isRequestId(id: unknown): id is RequestId {
  return typeof id === 'string' || typeof id === 'number'
}

function invalid(id: RequestId | null, why: string): JSONRPCResponse {
  return createJSONRPCErrorResponse(id, JSONRPCErrorCode.InvalidRequest, `Invalid Request: ${why}`)
}
