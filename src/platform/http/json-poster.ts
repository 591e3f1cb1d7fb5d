import { type Agent, type IncomingMessage, request } from 'node:http'
import { request as requestHttps } from 'node:https'
import { JSON_PROBLEM_WORDS, parseJson } from '../json/parse-json.ts'
import { readBody } from './read-body.ts'

export interface JsonPosterOptions {
  /** `http:` or `https:`. With a socket only its path counts. */
  readonly url: URL
  /** A unix socket to go through, in plain HTTP. */
  readonly socketPath?: string | undefined
  /** Keeps and checks connections; for `https:` an agent of `node:https`. `false`: one connection for each request. */
  readonly agent: Agent | false
  readonly maxAnswerBytes: number
}

/** Posts JSON and parses the JSON answer, over HTTP or HTTPS. */
export class JsonPoster {
  readonly #options: JsonPosterOptions
  readonly #url: URL

  constructor(options: JsonPosterOptions) {
    const { url, socketPath } = options
    this.#options = options
    this.#url = socketPath === undefined ? url : new URL(url.pathname, 'http://localhost')
  }

  /** Posts a body and returns the parsed answer. @throws Error for every failure; the reason of `signal` when it was aborted */
  async post(body: string, signal: AbortSignal): Promise<unknown> {
    const aborted = Promise.withResolvers<never>()
    const onAbort = () => aborted.reject(signal.reason)
    try {
      signal.throwIfAborted()
      signal.addEventListener('abort', onAbort)
      // Without the race, a request that waits for its connection would end after the TLS handshake, not at its signal.
      return await Promise.race([this.#exchange(body, signal), aborted.promise])
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #exchange(body: string, signal: AbortSignal): Promise<unknown> {
    const { agent, socketPath, maxAnswerBytes } = this.#options
    const begin = this.#url.protocol === 'https:' ? requestHttps : request
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const options = { method: 'POST', headers, agent, signal, ...(socketPath === undefined ? {} : { socketPath }) }
    return new Promise((resolve, reject) => {
      const outgoing = begin(this.#url, options, response => {
        readJson(response, maxAnswerBytes).then(resolve, cause => {
          outgoing.destroy()
          reject(cause)
        })
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  /** Closes every kept connection. Running requests fail. */
  close(): void {
    if (this.#options.agent !== false) this.#options.agent.destroy()
  }
}

async function readJson(response: IncomingMessage, maxBytes: number): Promise<unknown> {
  if (response.statusCode !== 200) throw new Error(`HTTP status ${response.statusCode}`)
  const body = await readBody(response, maxBytes)
  if (body === 'too large') throw new Error(`the answer has more than ${maxBytes} bytes`)
  if (typeof body === 'string') throw new Error('the answer was cut off')
  const parsed = parseJson(body.toString(), maxBytes)
  if ('problem' in parsed) throw new Error(`the answer is ${JSON_PROBLEM_WORDS[parsed.problem]}`)
  return parsed.value
}
