import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { JsonRpc } from './json-rpc.ts'

export interface ListenOptions {
  /** 0 takes any free port. */
  readonly port: number
  /** Default 127.0.0.1. */
  readonly host?: string
}

const MAX_BODY_BYTES = 1_048_576
const MAX_CONNECTIONS = 256
/** A client that sends slower than this holds a connection for nothing. Waiting for an answer is not limited. */
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
const KEEP_ALIVE_MS = 30_000

/** XenAPI over HTTP: `POST /jsonrpc`. It answers or closes whatever is sent, and keeps nothing of it. */
export class XenApiServer {
  readonly #jsonRpc: JsonRpc
  readonly #server: Server
  readonly #onBug: (bug: unknown) => void

  constructor(jsonRpc: JsonRpc, onBug: (bug: unknown) => void) {
    this.#jsonRpc = jsonRpc
    this.#onBug = onBug
    this.#server = createServer({
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // how often Node looks for the two timeouts above
      connectionsCheckingInterval: HEADERS_TIMEOUT_MS / 2,
    })
    this.#server.maxConnections = MAX_CONNECTIONS
    this.#server.on('request', (request, response) => {
      this.#handle(request, response).catch(bug => {
        this.#onBug(bug)
        response.destroy()
      })
    })
  }

  /** Begins to listen. @returns where; @throws the system's error, such as EADDRINUSE */
  listen({ port, host = '127.0.0.1' }: ListenOptions): Promise<{ readonly host: string; readonly port: number }> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject)
        const address = this.#server.address()
        resolve({ host, port: typeof address === 'object' && address !== null ? address.port : port })
      })
    })
  }

  /** Stops listening and cuts every connection, busy or idle. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    if (request.url !== '/jsonrpc') return refuse(response, 404)
    if (request.method !== 'POST') return refuse(response, 405, { allow: 'POST' })
    const body = await readBody(request)
    if (body === 'too large') return refuse(response, 413)
    if (body === 'cut off') return
    const answer = await this.#jsonRpc.answer(body.toString(), gone.signal)
    // exactly this type: xen-api takes anything else for a host without JSON-RPC
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) })
    response.end(answer)
  }
}

/** What is still to come of the request is not read: the connection ends with the answer. */
function refuse(response: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { ...headers, connection: 'close', 'content-length': 0 })
  response.end()
}

async function readBody(request: IncomingMessage): Promise<Buffer | 'too large' | 'cut off'> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    // destroying the request on the way out would take the connection, and the answer, with it
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(chunk)) continue
      size += chunk.length
      if (size > MAX_BODY_BYTES) return 'too large'
      chunks.push(chunk)
    }
  } catch {
    return 'cut off'
  }
  return Buffer.concat(chunks)
}
