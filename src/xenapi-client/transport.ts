import { Agent, type IncomingMessage, request } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { messageOf } from '../platform/errors.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import type { CheckedEndpoint } from './endpoint.ts'
import { XenApiUnreachable } from './errors.ts'
import { PinnedAgent } from './pinned-agent.ts'

/** The records of a large pool are a few MiB; more is not XenAPI. */
const MAX_ANSWER_BYTES = 64 * 1_048_576
const KEPT = { keepAlive: true, maxSockets: 8 }

/** Posts JSON over connections that are kept. It knows HTTP and TLS, and nothing of XenAPI. */
export class JsonTransport {
  readonly #agent: Agent
  readonly #begin: typeof request
  readonly #url: URL
  readonly #socketPath: string | undefined

  constructor(endpoint: CheckedEndpoint) {
    const { url, socketPath } = endpoint
    this.#socketPath = socketPath
    this.#url = socketPath === undefined ? url : new URL(url.pathname, 'http://localhost')
    const plain = this.#url.protocol === 'http:'
    this.#agent = plain ? new Agent(KEPT) : secureAgent(endpoint)
    this.#begin = plain ? request : requestHttps
  }

  /**
   * Posts and reads the answer whole.
   * @throws XenApiUnreachable whatever goes wrong, an abort included (its reason is the cause)
   */
  async post(body: string, signal: AbortSignal): Promise<unknown> {
    const aborted = Promise.withResolvers<never>()
    const onAbort = () => aborted.reject(signal.reason)
    try {
      signal.throwIfAborted()
      signal.addEventListener('abort', onAbort)
      // a request that waits for its connection would end only with the handshake, not at its signal
      return await Promise.race([this.#exchange(body, signal), aborted.promise])
    } catch (cause) {
      const why: unknown = signal.aborted ? signal.reason : cause
      throw new XenApiUnreachable(messageOf(why), { cause: why })
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #exchange(body: string, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const outgoing = this.#begin(
        this.#url,
        {
          agent: this.#agent,
          method: 'POST',
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
          signal,
          ...(this.#socketPath === undefined ? {} : { socketPath: this.#socketPath }),
        },
        response => {
          readJson(response).then(resolve, cause => {
            outgoing.destroy()
            reject(cause)
          })
        },
      )
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  /** Cuts every connection; calls under way fail. */
  close(): void {
    this.#agent.destroy()
  }
}

function secureAgent({ ca, pins }: CheckedEndpoint): Agent {
  if (pins !== null) return new PinnedAgent(pins, KEPT)
  // said, because the environment can turn Node's default off (NODE_TLS_REJECT_UNAUTHORIZED)
  return new HttpsAgent({ ...KEPT, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) })
}

async function readJson(response: IncomingMessage): Promise<unknown> {
  if (response.statusCode !== 200) throw new Error(`HTTP status ${response.statusCode}`)
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  const parsed = parseJson(Buffer.concat(chunks).toString(), MAX_ANSWER_BYTES)
  if ('problem' in parsed) throw new Error(`the answer is ${parsed.problem}`)
  return parsed.value
}
