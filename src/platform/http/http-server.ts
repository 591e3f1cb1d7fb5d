import { isUtf8 } from 'node:buffer'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Clock } from '../time/clock.ts'
import { type HttpConnection, HttpConnections } from './http-connections.ts'
import type { HttpAnswer, HttpRoute, RequestClient } from './http-route.ts'
import { type ListenAddress, type ListeningAt, listenOn } from './listen.ts'
import { readBody } from './read-body.ts'
import { sendStream } from './send-stream.ts'
import { SocketFile } from './socket-file.ts'

export interface HttpServerOptions {
  readonly routes: readonly HttpRoute[]
  readonly clock: Clock
  /** Called with errors of this program. */
  readonly onBug: (bug: unknown) => void
  /** Called with a sentence when the server begins to refuse connections to its unix socket, and when it accepts them again. */
  readonly onProblem?: (text: string) => void
  readonly limits?: Partial<HttpLimits>
}

export interface HttpLimits {
  readonly maxBodyBytes: number
  /** Above this, the least recently used idle connection of the owner or address that has most is closed. */
  readonly maxConnections: number
  /** Limit per address for connections without a known owner and without a complete request. Default: `maxConnections`. */
  readonly maxUnownedOfAnAddress?: number
  /** Limit of memory for the requests and unread answers of one owner, or of one address. */
  readonly maxHeldBytes: number
  /** Limits for clients that send slowly. The time until the answer is not limited. */
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly keepAliveMs: number
  /** How long a client may read nothing of its answer, which stays in memory meanwhile. */
  readonly unreadAnswerTimeoutMs: number
  /** How much of a stream may be unread before it is closed, without its beginning and what the kernel buffers. */
  readonly maxUnreadBytes: number
}

const DEFAULT_LIMITS: HttpLimits = {
  maxBodyBytes: 1_048_576,
  maxConnections: 256,
  maxHeldBytes: 67_108_864,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveMs: 30_000,
  unreadAnswerTimeoutMs: 30_000,
  maxUnreadBytes: 1_048_576,
}

/** Memory of a request without its body. A client may send further requests before the first is answered. */
const REQUEST_BYTES = 4_096

/** PEM texts. With them the server speaks HTTPS only. */
export interface TlsIdentity {
  readonly key: string
  readonly cert: string
}

/** Serves a few routes over HTTP or HTTPS. Every request is answered or its connection closed, within bounded memory. */
export class HttpServer {
  readonly #options: HttpServerOptions
  readonly #limits: HttpLimits
  #server: Server | null = null
  /** The file of a unix socket. */
  #file: SocketFile | null = null
  #refusing = false
  /** Every connection. Node's `closeAllConnections` skips those whose TLS handshake is not complete. */
  readonly #connections: HttpConnections

  constructor(options: HttpServerOptions) {
    this.#options = options
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const maxUnownedOfAnAddress = limits.maxUnownedOfAnAddress ?? limits.maxConnections
    this.#limits = limits
    this.#connections = new HttpConnections({ ...limits, maxUnownedOfAnAddress })
  }

  /**
   * Begins to listen at one address.
   * @throws the system's error, such as EADDRINUSE; OpenSSL's error for a bad key; Error if everybody may write in the folder of a unix
   * socket, or if the path is a file that is no socket
   */
  async listen(address: ListenAddress, tls?: TlsIdentity): Promise<ListeningAt> {
    if (this.#server !== null) throw new Error('the server listens already')
    const server = this.#create(tls)
    this.#server = server
    try {
      const at = await listenOn(server, address)
      if ('path' in address) this.#file = SocketFile.at(address.path)
      return at
    } catch (error) {
      this.#server = null
      server.close()
      throw error
    }
  }

  /** Why clients no longer find the server: its unix socket was removed or replaced. `null`: they find it. */
  lost(): string | null {
    return this.#file?.isLost() === true ? this.#file.problem() : null
  }

  /** Stops listening, closes every connection, busy or idle, and removes its unix socket. */
  close(): Promise<void> {
    return new Promise(resolve => {
      if (this.#server === null) return resolve()
      this.#file?.remove()
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
      this.#connections.closeAll()
    })
  }

  #create(tls: TlsIdentity | undefined): Server {
    const { headersTimeoutMs, requestTimeoutMs, keepAliveMs } = this.#limits
    const limits = {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveMs,
      // How often Node checks the two timeouts above.
      connectionsCheckingInterval: headersTimeoutMs / 2,
      // Detects that the machine of a waiting client has crashed.
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
    }
    const server: Server =
      tls === undefined
        ? createServer(limits)
        : createTlsServer({ ...limits, ...tls, minVersion: 'TLSv1.2', handshakeTimeout: headersTimeoutMs })
    server.on('connection', socket => {
      if (this.#refuses()) socket.destroy()
      else this.#connections.admit(socket)
    })
    server.on('request', (request, response) => {
      this.#handle(request, response).catch(bug => {
        this.#options.onBug(bug)
        response.destroy()
      })
    })
    return server
  }

  #refuses(): boolean {
    const problem = this.#file?.problem() ?? null
    const before = this.#refusing
    this.#refusing = problem !== null
    if (problem !== null && !before) this.#options.onProblem?.(`${problem}: connections are refused`)
    if (problem === null && before)
      this.#options.onProblem?.('the socket has its original owner and mode again: connections are accepted')
    return this.#refusing
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const connection = this.#connections.of(request.socket)
    if (connection === null) {
      response.destroy()
      return
    }
    const gone = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) gone.abort()
    })
    this.#connections.touch(connection)
    const [path = '', query = ''] = (request.url ?? '').split('?', 2)
    const ofPath = this.#options.routes.filter(each =>
      each.path.endsWith('/') ? path.startsWith(each.path) : path === each.path,
    )
    const route = ofPath.find(({ method }) => method === request.method)
    if (ofPath.length === 0) return refuse(request, response, 404)
    if (route === undefined)
      return refuse(request, response, 405, { allow: ofPath.map(({ method }) => method).join(', ') })
    if ('open' in route) {
      const header = (name: string) => request.headersDistinct[name]?.at(0) ?? null
      const opened = route.open({ query: new URLSearchParams(query), header })
      if (!('begin' in opened)) return this.#send(response, opened)
      connection.answering += 1
      response.once('close', () => {
        connection.answering -= 1
      })
      return sendStream(response, opened, this.#limits, gone.signal, this.#options.clock)
    }
    let held = 0
    response.once('close', () => this.#connections.release(connection, held))
    const mayHold = (bytes: number) => {
      const may = this.#connections.hold(connection, bytes)
      if (may) held += bytes
      return may
    }
    if (!mayHold(REQUEST_BYTES)) return refuse(request, response, 503)
    const body = route.method === 'GET' ? '' : await readBody(request, this.#limits.maxBodyBytes, mayHold)
    if (body === 'too large') return refuse(request, response, 413, {}, route.tooLarge)
    if (body === 'too much') return refuse(request, response, 503)
    if (body === 'cut off') return
    if (typeof body !== 'string' && !isUtf8(body)) {
      return route.notUtf8 === undefined ? refuse(request, response, 400) : this.#send(response, route.notUtf8)
    }
    const answer = await this.#answer(connection, client =>
      route.answer(body.toString(), gone.signal, path.slice(route.path.length), client),
    )
    this.#connections.release(connection, held)
    held = 0
    if (gone.signal.aborted || !mayHold(Buffer.byteLength(answer.body))) response.destroy()
    else this.#send(response, answer)
  }

  /** Answers a request. Its connection counts as busy meanwhile. */
  async #answer(
    connection: HttpConnection,
    ask: (client: RequestClient) => HttpAnswer | Promise<HttpAnswer>,
  ): Promise<HttpAnswer> {
    connection.answering += 1
    try {
      const { address, owner, isReserved } = connection
      return await ask({
        address,
        owner,
        isReserved,
        own: (owner, isReserved) => this.#connections.own(connection, owner, isReserved),
      })
    } finally {
      connection.answering -= 1
      this.#connections.touch(connection)
    }
  }

  #send(response: ServerResponse, { status, contentType, body, closes }: HttpAnswer): void {
    const head = {
      // Exactly this type: for any other, the client xen-api assumes a host without JSON-RPC.
      'content-type': contentType ?? 'application/json',
      'content-length': Buffer.byteLength(body),
      ...(closes === true ? { connection: 'close' } : {}),
    }
    // 204 has no content-length (RFC 9110, 8.6).
    response.writeHead(status, status === 204 ? {} : head)
    response.setTimeout(this.#limits.unreadAnswerTimeoutMs, () => {
      if (!response.writableFinished) response.destroy()
    })
    response.end(body)
  }
}

/** Limit of what a client may send after the refusal. */
const MAX_UNWANTED_BYTES = 16_777_216

/**
 * Answers at once, with a status only or with the given answer instead, and closes the connection when the whole request has arrived. Closing it while the client still
 * sends would reset the connection, and the client would get an error instead of the answer.
 */
async function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  instead: HttpAnswer = { status, body: '' },
): Promise<void> {
  const { contentType, body } = instead
  const ofBody = contentType === undefined ? {} : { 'content-type': contentType }
  const length = { 'content-length': Buffer.byteLength(body) }
  response.writeHead(instead.status, { ...headers, ...ofBody, connection: 'close', ...length })
  response.flushHeaders()
  if (body !== '') response.write(body)
  let bytes = 0
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += Buffer.isBuffer(chunk) ? chunk.length : 0
      if (bytes > MAX_UNWANTED_BYTES) break
    }
  } catch {
    // The request was cut off, for example by the timeout for requests.
  }
  response.end()
}
