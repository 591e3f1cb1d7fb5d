import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type ListenAddress, type ListeningAt, listenOn } from './listen.ts'
import { readBody } from './read-body.ts'

export interface HttpAnswer {
  readonly status: number
  /** Default `application/json`. */
  readonly contentType?: string
  readonly body: string
}

export interface HttpRoute {
  readonly method: 'GET' | 'POST'
  /** One that ends in `/` stands for every path below it. */
  readonly path: string
  /**
   * Answers. It must not reject: what does is a bug, and the connection is cut.
   * @param body `''` for GET
   * @param signal aborted when the client has gone
   * @param below what follows a `path` that ends in `/`, as it was sent; else `''`
   */
  readonly answer: (body: string, signal: AbortSignal, below: string) => HttpAnswer | Promise<HttpAnswer>
}

export interface HttpServerOptions {
  readonly routes: readonly HttpRoute[]
  /** Told of what must not happen: an error of this program. */
  readonly onBug: (bug: unknown) => void
  readonly limits?: Partial<HttpLimits>
}

export interface HttpLimits {
  readonly maxBodyBytes: number
  readonly maxConnections: number
  /** A client that sends slower than this holds a connection for nothing. Waiting for an answer is not limited. */
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly keepAliveMs: number
  /** How long a client may take none of its answer: what it does not read stays in memory. */
  readonly unreadAnswerTimeoutMs: number
}

const DEFAULT_LIMITS: HttpLimits = {
  maxBodyBytes: 1_048_576,
  maxConnections: 256,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveMs: 30_000,
  unreadAnswerTimeoutMs: 30_000,
}

/** PEM texts. With them it is HTTPS, and plain HTTP is not answered. */
export interface TlsIdentity {
  readonly key: string
  readonly cert: string
}

/** A few routes over HTTP or HTTPS. It answers or closes whatever is sent, and keeps nothing of it. */
export class HttpServer {
  readonly #options: HttpServerOptions
  readonly #limits: HttpLimits
  #server: Server | null = null

  constructor(options: HttpServerOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
  }

  /**
   * Begins to listen, at one place.
   * @throws the system's error, such as EADDRINUSE: another process listens there; OpenSSL's of a bad key
   */
  async listen(address: ListenAddress, tls?: TlsIdentity): Promise<ListeningAt> {
    if (this.#server !== null) throw new Error('it listens already')
    const server = this.#create(tls)
    this.#server = server
    try {
      return await listenOn(server, address)
    } catch (error) {
      this.#server = null
      throw error
    }
  }

  /** Stops listening, cuts every connection, busy or idle, and removes a unix socket. */
  close(): Promise<void> {
    return new Promise(resolve => {
      if (this.#server === null) return resolve()
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  #create(tls: TlsIdentity | undefined): Server {
    const { headersTimeoutMs, requestTimeoutMs, keepAliveMs, maxConnections } = this.#limits
    const limits = {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveMs,
      // How often Node looks for the two timeouts above.
      connectionsCheckingInterval: headersTimeoutMs / 2,
      // Finds out that a waiting client's machine is gone, which closes nothing.
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
    }
    const server: Server =
      tls === undefined
        ? createServer(limits)
        : createTlsServer({ ...limits, ...tls, minVersion: 'TLSv1.2', handshakeTimeout: headersTimeoutMs })
    server.maxConnections = maxConnections
    server.on('request', (request, response) => {
      this.#handle(request, response).catch(bug => {
        this.#options.onBug(bug)
        response.destroy()
      })
    })
    return server
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const { url = '' } = request
    const ofPath = this.#options.routes.filter(({ path }) => (path.endsWith('/') ? url.startsWith(path) : url === path))
    const route = ofPath.find(({ method }) => method === request.method)
    if (ofPath.length === 0) return refuse(response, 404)
    if (route === undefined) return refuse(response, 405, { allow: ofPath.map(({ method }) => method).join(', ') })
    const body = route.method === 'GET' ? '' : await readBody(request, this.#limits.maxBodyBytes)
    if (body === 'too large') return refuse(response, 413)
    if (body === 'cut off') return
    const answer = await route.answer(body.toString(), gone.signal, url.slice(route.path.length))
    response.writeHead(answer.status, {
      // Exactly this type: the client xen-api takes anything else for a host without JSON-RPC.
      'content-type': answer.contentType ?? 'application/json',
      'content-length': Buffer.byteLength(answer.body),
    })
    response.setTimeout(this.#limits.unreadAnswerTimeoutMs, () => {
      if (!response.writableFinished) response.destroy()
    })
    response.end(answer.body)
  }
}

/** What is still to come of the request is not read: the connection ends with the answer. */
function refuse(response: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { ...headers, connection: 'close', 'content-length': 0 })
  response.end()
}
