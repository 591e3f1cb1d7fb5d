import { isJSONRPCResponse, JSONRPCClient, JSONRPCErrorException, type JSONRPCRequest } from 'json-rpc-2.0'
import { messageOf } from '../platform/errors.ts'
import { JsonPoster } from '../platform/http/json-poster.ts'
import { AGENT_METHODS, type AgentMethod, type ParamsOf, problemOf, type ResultOf } from './methods.ts'

/** The longest answer is a report with its list of mirrors, quoted. */
const MAX_ANSWER_BYTES = 1_048_576

/** The agent did not answer: it is not running, too slow, or another program answered. */
export class AgentUnreachable extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(why, options)
    this.name = 'AgentUnreachable'
  }
}

/** The agent's result does not have the shape that this version knows. */
export class AgentNotUnderstood extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'AgentNotUnderstood'
  }
}

/** One request under way. */
interface PendingRequest {
  readonly signal: AbortSignal
  /** Why there is no answer: json-rpc-2.0 turns it into an error of the agent's. */
  failure: AgentUnreachable | null
}

/** Calls the methods of an agent at its socket. */
export class AgentClient {
  readonly #poster: JsonPoster
  readonly #rpc: JSONRPCClient<PendingRequest>

  /** @param address the path of a unix socket, or `http://HOST:PORT` */
  constructor(address: string) {
    const isSocket = address.startsWith('/')
    this.#poster = new JsonPoster({
      url: new URL('/jsonrpc', isSocket ? 'http://localhost' : address),
      socketPath: isSocket ? address : undefined,
      agent: false,
      maxAnswerBytes: MAX_ANSWER_BYTES,
    })
    this.#rpc = new JSONRPCClient<PendingRequest>(async (payload: JSONRPCRequest, pending) => {
      try {
        const answer = await this.#poster.post(JSON.stringify(payload), pending.signal)
        // The library never ends a request whose answer has another ID.
        if (!isJSONRPCResponse(answer) || answer.id !== payload.id) throw new Error('what answers is not an agent')
        this.#rpc.receive(answer)
      } catch (error) {
        pending.failure = unreachable(error)
        throw error
      }
    })
  }

  /**
   * Calls a method of the agent.
   * @throws JSONRPCErrorException the agent's error; AgentUnreachable no answer before `signal` was aborted; AgentNotUnderstood
   */
  async call<Method extends AgentMethod>(
    method: Method,
    params: ParamsOf<Method>,
    signal: AbortSignal,
  ): Promise<ResultOf<Method>> {
    const pending: PendingRequest = { signal, failure: null }
    let answer: unknown
    try {
      answer = await this.#rpc.request(method, params, pending)
    } catch (error) {
      throw pending.failure ?? (error instanceof JSONRPCErrorException ? error : unreachable(error))
    }
    const result = AGENT_METHODS[method].result.safeParse(answer)
    if (result.success) return result.data
    throw new AgentNotUnderstood(problemOf(result.error))
  }
}

function unreachable(error: unknown): AgentUnreachable {
  return new AgentUnreachable(messageOf(error), { cause: error })
}
