import { Agent, type IncomingMessage, request } from 'node:http'
import { XenApiUnreachable } from './errors.ts'

/** Where XenAPI is served. */
export interface XenApiEndpoint {
  /** `http://host:port`; with a socket only its host counts, as the Host header. */
  readonly url: string
  /** A unix socket to go through, such as xapi's own on its host (`/var/lib/xcp/xapi`). */
  readonly socketPath?: string
}

/** The records of a large pool are a few MiB; more is not XenAPI. */
const MAX_ANSWER_BYTES = 64 * 1_048_576
const MAX_SOCKETS = 8

/** Posts JSON over connections that are kept. It knows HTTP and nothing of XenAPI. */
export class JsonTransport {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS })
  readonly #url: URL
  readonly #socketPath: string | undefined

  /** @throws TypeError if the URL is none, or not of http */
  constructor({ url, socketPath }: XenApiEndpoint) {
    this.#url = new URL('/jsonrpc', url)
    if (this.#url.protocol !== 'http:') throw new TypeError(`only http: is supported, not ${this.#url.protocol}`)
    this.#socketPath = socketPath
  }

  /**
   * Posts and reads the answer whole.
   * @throws XenApiUnreachable whatever goes wrong, an abort included (its reason is the cause)
   */
  post(body: string, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown) => {
        const why = signal.aborted ? signal.reason : cause
        reject(new XenApiUnreachable(why instanceof Error ? why.message : String(why), { cause: why }))
      }
      const outgoing = request(
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
            fail(cause)
          })
        },
      )
      outgoing.on('error', fail)
      outgoing.end(body)
    })
  }

  /** Cuts every connection; calls under way fail. */
  close(): void {
    this.#agent.destroy()
  }
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
  return JSON.parse(Buffer.concat(chunks).toString())
}
