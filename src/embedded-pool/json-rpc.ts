import { createJSONRPCErrorResponse, JSONRPCErrorCode, type JSONRPCResponse, JSONRPCServer } from 'json-rpc-2.0'
import type { RequestClient } from '../platform/http/http-route.ts'
import type { CallOutcome } from './dispatch/dispatcher.ts'

/** More requests than this in one batch are refused whole. */
const MAX_BATCH = 100
/** Longest answer to a batch, in UTF-16 units: calls whose results do not fit are answered with an error. */
const MAX_BATCH_ANSWER_LENGTH = 16_777_216

type RequestId = string | number

interface Version1Answer {
  readonly result: unknown
  readonly error: unknown
  readonly id: RequestId | null
}

/** `null`: json-rpc-2.0 has none, which is never so for a request with an id. */
type Answer = JSONRPCResponse | Version1Answer | null

/** Runs one call. It never rejects. */
export type Dispatch = (
  method: string,
  params: readonly unknown[],
  signal: AbortSignal,
  client: RequestClient,
) => Promise<CallOutcome>

interface Asked {
  readonly signal: AbortSignal
  readonly client: RequestClient
}

/**
 * JSON-RPC 2.0 and, for requests without a `jsonrpc` key, JSON-RPC 1, in stock's shapes (api_server.ml:29-51,
 * api_server_common.ml:195): a XenAPI error is code 1, its code as the message and its parameters as the data.
 * Like stock it knows no notifications: host.reboot must not fail in silence.
 */
export class JsonRpc {
  readonly #dispatch: Dispatch
  readonly #onBug: (bug: unknown) => void
  readonly #server = new JSONRPCServer<Asked>({ errorListener: () => undefined })

  /** @param onBug told of an answer that cannot be written */
  constructor(dispatch: Dispatch, onBug: (bug: unknown) => void) {
    this.#dispatch = dispatch
    this.#onBug = onBug
    // every method is XenAPI's to know, and to say that it does not
    this.#server.applyMiddleware(async (_next, { id, method, params }, { signal, client }) =>
      toResponse(id ?? null, await this.#dispatch(method, positional(params), signal, client)),
    )
  }

  /** Answers a request body. It never rejects, and always has an answer. */
  async answer(body: string, signal: AbortSignal, client: RequestClient): Promise<string> {
    let request: unknown
    try {
      request = JSON.parse(body)
    } catch {
      return JSON.stringify(createJSONRPCErrorResponse(null, JSONRPCErrorCode.ParseError, 'Parse error'))
    }
    const asked = { signal, client }
    if (!Array.isArray(request)) return this.#write(await this.#answerOne(request, asked))
    if (request.length === 0) return JSON.stringify(invalidRequest(null))
    if (request.length > MAX_BATCH) return JSON.stringify(invalidRequest(null, `a batch of more than ${MAX_BATCH}`))
    let left = MAX_BATCH_ANSWER_LENGTH
    // one by one: json-rpc-2.0 would answer a batch of one with an object
    const answers = await Promise.all(
      request.map(async (one: unknown) => {
        const answer = await this.#answerOne(one, asked)
        // written at once, in the turn of the call whose answer it is
        const text = this.#write(answer)
        left -= text.length
        return left >= 0 ? text : JSON.stringify(withError(answer, 'the answers to this batch are too long'))
      }),
    )
    return `[${answers.join(',')}]`
  }

  /** What is longer than a string can be, or no JSON, is an error of this pool, not the end of the connection. */
  #write(answer: Answer): string {
    try {
      return JSON.stringify(answer)
    } catch (bug) {
      this.#onBug(bug)
      return JSON.stringify(withError(answer, 'the answer cannot be written'))
    }
  }

  async #answerOne(request: unknown, asked: Asked): Promise<Answer> {
    if (typeof request !== 'object' || request === null) return invalidRequest(null)
    // what is no scalar is not echoed: nested deep enough, it could not be written again
    const id = 'id' in request && isRequestId(request.id) ? request.id : null
    if (!('method' in request) || typeof request.method !== 'string') return invalidRequest(id)
    const { method } = request
    const params: unknown = 'params' in request ? request.params : []
    if (!('jsonrpc' in request)) {
      return toVersion1(id, await this.#dispatch(method, positional(params), asked.signal, asked.client))
    }
    if (request.jsonrpc !== '2.0' || id === null) return invalidRequest(id)
    if (!Array.isArray(params)) {
      return createJSONRPCErrorResponse(id, JSONRPCErrorCode.InvalidParams, 'Invalid params: XenAPI takes an array')
    }
    return this.#server.receive({ jsonrpc: '2.0', id, method, params }, asked)
  }
}

function toResponse(id: RequestId | null, outcome: CallOutcome): JSONRPCResponse {
  if ('result' in outcome) return { jsonrpc: '2.0', id, result: outcome.result }
  const [code, ...params] = outcome.error
  return createJSONRPCErrorResponse(id, 1, code, params)
}

function toVersion1(id: RequestId | null, outcome: CallOutcome): Version1Answer {
  return 'result' in outcome ? { result: outcome.result, error: null, id } : { result: null, error: outcome.error, id }
}

function withError(answer: Answer, text: string): Answer {
  const outcome: CallOutcome = { error: ['INTERNAL_ERROR', text] }
  if (answer === null) return null
  return 'jsonrpc' in answer ? toResponse(answer.id, outcome) : toVersion1(answer.id, outcome)
}

/** JSON-RPC 1 knows no other parameters; whatever else is there counts as none. */
function positional(params: unknown): readonly unknown[] {
  return Array.isArray(params) ? params : []
}

function isRequestId(id: unknown): id is RequestId {
  return typeof id === 'string' || typeof id === 'number'
}

function invalidRequest(id: RequestId | null, why?: string): JSONRPCResponse {
  const message = why === undefined ? 'Invalid Request' : `Invalid Request: ${why}`
  return createJSONRPCErrorResponse(id, JSONRPCErrorCode.InvalidRequest, message)
}
