import {
  createJSONRPCErrorResponse,
  isJSONRPCRequest,
  JSONRPCErrorCode,
  JSONRPCErrorException,
  type JSONRPCResponse,
  JSONRPCServer,
} from 'json-rpc-2.0'
import type { HttpAnswer } from '../platform/http/http-route.ts'
import { parseJson } from '../platform/json/parse-json.ts'

/** A method of the agent's socket. @throws JSONRPCErrorException: anything else is told as an internal error */
export type RpcMethod = (params: unknown, signal: AbortSignal) => unknown

/** More requests than this in one batch are refused whole. */
const MAX_BATCH = 100
/** What the socket takes. */
const MAX_BODY_LENGTH = 65_536

const WORDS = { 'too-large': 'too large', 'too-deep': 'nested too deep', 'not-json': 'no JSON' } as const

/** The answer to a request that is not UTF-8. */
export const NOT_UTF8 = answerOf(
  createJSONRPCErrorResponse(null, JSONRPCErrorCode.ParseError, 'Parse error: the request is not UTF-8'),
)

/** JSON-RPC 2.0 as the specification has it: notifications get no answer, a batch of one gets a list of one. */
export class JsonRpc {
  readonly #server: JSONRPCServer<AbortSignal>

  /** @param onBug told of what a method throws that is no JSONRPCErrorException */
  constructor(methods: Readonly<Record<string, RpcMethod>>, onBug: (bug: unknown) => void) {
    this.#server = new JSONRPCServer<AbortSignal>({ errorListener: () => undefined })
    this.#server.mapErrorToJSONRPCErrorResponse = (id, error) => {
      if (error instanceof JSONRPCErrorException)
        return createJSONRPCErrorResponse(id, error.code, error.message, error.data)
      onBug(error)
      return createJSONRPCErrorResponse(id, JSONRPCErrorCode.InternalError, 'internal error, see the log')
    }
    for (const [name, method] of Object.entries(methods)) {
      this.#server.addMethod(name, async (params: unknown, signal) => method(params, signal))
    }
  }

  /** Answers a request body. Never rejects. */
  async answer(body: string, signal: AbortSignal): Promise<HttpAnswer> {
    const parsed = parseJson(body, MAX_BODY_LENGTH)
    if ('problem' in parsed) {
      const why = `Parse error: the request is ${WORDS[parsed.problem]}`
      return answerOf(createJSONRPCErrorResponse(null, JSONRPCErrorCode.ParseError, why))
    }
    const request = parsed.value
    if (!Array.isArray(request)) return answerOf(await this.#answerOne(request, signal))
    if (request.length === 0) return answerOf(invalid('an empty batch'))
    if (request.length > MAX_BATCH) return answerOf(invalid(`a batch of more than ${MAX_BATCH}`))
    // One by one: json-rpc-2.0 would answer a batch of one with an object.
    const answers = await Promise.all(request.map((one: unknown) => this.#answerOne(one, signal)))
    const said = answers.filter(answer => answer !== null)
    return answerOf(said.length === 0 ? null : said)
  }

  async #answerOne(request: unknown, signal: AbortSignal): Promise<JSONRPCResponse | null> {
    if (!isJSONRPCRequest(request)) return invalid('no JSON-RPC 2.0 request')
    // The library takes these for what they are not.
    const { id, params } = request
    if (!(id === undefined || id === null || typeof id === 'string' || typeof id === 'number'))
      return invalid('the id must be a string or a number')
    if (params !== undefined && (typeof params !== 'object' || params === null))
      return invalid('the parameters must be an object or a list')
    return this.#server.receive(request, signal)
  }
}

function answerOf(answer: JSONRPCResponse | readonly JSONRPCResponse[] | null): HttpAnswer {
  return answer === null ? { status: 204, body: '' } : { status: 200, body: JSON.stringify(answer) }
}

function invalid(why: string): JSONRPCResponse {
  return createJSONRPCErrorResponse(null, JSONRPCErrorCode.InvalidRequest, `Invalid Request: ${why}`)
}
