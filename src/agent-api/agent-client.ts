import { type IncomingMessage, request } from 'node:http'
import { isJSONRPCResponse, JSONRPCClient, JSONRPCErrorException, type JSONRPCRequest } from 'json-rpc-2.0'
import { messageOf } from '../platform/errors.ts'
import { readBody } from '../platform/http/read-body.ts'
import { parseJson } from '../platform/json/parse-json.ts'

/** The longest answer is a report with its mirror list, quoted. */
const MAX_ANSWER_BYTES = 1_048_576

/** The agent did not answer: it is away, too slow, or what answered is no agent. */
export class AgentUnreachable extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(why, options)
    this.name = 'AgentUnreachable'
  }
}

/** One question on its way. */
interface Sending {
  readonly signal: AbortSignal
  /** Why there is no answer: json-rpc-2.0 makes an answer of it, as if the agent had said so. */
  failure: AgentUnreachable | null
}

/** Asks an agent at its socket. */
export class AgentClient {
  readonly #at: { readonly socketPath: string } | { readonly url: URL }
  readonly #rpc: JSONRPCClient<Sending>

  /** @param address the path of a unix socket, or `http://HOST:PORT` */
  constructor(address: string) {
    this.#at = address.startsWith('/') ? { socketPath: address } : { url: new URL('/jsonrpc', address) }
    this.#rpc = new JSONRPCClient<Sending>(async (payload: JSONRPCRequest, sending) => {
      try {
        const answer = await this.#post(JSON.stringify(payload), sending.signal)
        // The library waits for ever for an answer to another question.
        if (!isJSONRPCResponse(answer) || answer.id !== payload.id) throw new AgentUnreachable('that is no agent')
        this.#rpc.receive(answer)
      } catch (error) {
        sending.failure = unreachable(error)
        throw error
      }
    })
  }

  /**
   * Calls a method of the agent.
   * @throws JSONRPCErrorException what the agent says; AgentUnreachable no answer before `signal` was aborted
   */
  async call(method: string, params: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<unknown> {
    const sending: Sending = { signal, failure: null }
    try {
      return await this.#rpc.request(method, params, sending)
    } catch (error) {
      throw sending.failure ?? (error instanceof JSONRPCErrorException ? error : unreachable(error))
    }
  }

  #post(body: string, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const options = { method: 'POST', path: '/jsonrpc', headers, signal, agent: false }
      const take = (response: IncomingMessage) => readJson(response).then(resolve, reject)
      const outgoing =
        'url' in this.#at ? request(this.#at.url, options, take) : request({ ...options, ...this.#at }, take)
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }
}

function unreachable(error: unknown): AgentUnreachable {
  if (error instanceof AgentUnreachable) return error
  return new AgentUnreachable(messageOf(error), { cause: error })
}

async function readJson(response: IncomingMessage): Promise<unknown> {
  if (response.statusCode !== 200) throw new AgentUnreachable(`HTTP status ${response.statusCode}`)
  const body = await readBody(response, MAX_ANSWER_BYTES)
  if (typeof body === 'string') throw new AgentUnreachable(`the answer is ${body}`)
  const parsed = parseJson(body.toString(), MAX_ANSWER_BYTES)
  if ('problem' in parsed) throw new AgentUnreachable(`the answer is ${parsed.problem}`)
  return parsed.value
}
