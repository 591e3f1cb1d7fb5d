import { isUtf8 } from 'node:buffer'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Clock } from '../time/clock.ts'
import { type HttpConnection, HttpConnections } from './http-connections.ts'
import type { HttpAnswer, HttpRoute, RequestClient } from './http-route.ts'
import { type ListenAddress, type ListeningAt, listenOn } from './listen.ts'
import { readBody } from './read-body.ts'
import { refuse } from './refuse.ts'
import { sendStream } from './send-stream.ts'
import { SocketFile } from './socket-file.ts'

export interface HttpServerOptions {
  readonly routes: readonly HttpRoute[]
  readonly clock: Clock
  /** Told of what must not happen: an error of this program. */
  readonly onBug: (bug: unknown) => void
  /** Told once, in a sentence, when connections to a unix socket begin to be refused, and once when they are taken again. */
  readonly onProblem?: (text: string) => void
  readonly limits?: Partial<HttpLimits>
}

export interface HttpLimits {
  readonly maxBodyBytes: number
  /** One more closes the least recently used one that waits for nothing, of the owner or address that has most. */
  readonly maxConnections: number
  /** Of one address: connections whose owner is not known, without a whole request. Default: `maxConnections`. */
  readonly maxUnownedOfAnAddress?: number
  /** Bytes of requests and of unread answers that one owner, or one address, may leave in memory. */
  readonly maxHeldBytes: number
  /** A client that sends slower than this holds a connection for nothing. Waiting for an answer is not limited. */
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly keepAliveMs: number
  /** How long a client may take none of its answer: what it does not read stays in memory. */
  readonly unreadAnswerTimeoutMs: number
  /** How much of a stream its reader may leave unread before it is cut off, beside its beginning and what the kernel holds. */
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

/** What a request takes in memory beside its body: a client may send the next ones before it is answered. */
const REQUEST_BYTES = 4_096

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
  /** Of a unix socket. */
  #file: SocketFile | null = null
  #refusing = false
  /** Every connection: one that has not shaken hands over TLS is no connection of HTTP yet, and `closeAllConnections` leaves it. */
  readonly #connections: HttpConnections

  constructor(options: HttpServerOptions) {
    this.#options = options
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const maxUnownedOfAnAddress = limits.maxUnownedOfAnAddress ?? limits.maxConnections
    this.#limits = limits
    this.#connections = new HttpConnections({ ...limits, maxUnownedOfAnAddress })
  }

  /**
   * Begins to listen, at one place.
   * @throws the system's error, such as EADDRINUSE: another process listens there; OpenSSL's of a bad key; Error when
   * everybody may write in the folder of a unix socket, or when something else than a socket is there
   */
  async listen(address: ListenAddress, tls?: TlsIdentity): Promise<ListeningAt> {
    if (this.#server !== null) throw new Error('it listens already')
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

  /** Why nobody finds it any longer, in a few words: its unix socket was removed or replaced, which does not mend itself. */
  lost(): string | null {
    return this.#file?.isLost() === true ? this.#file.problem() : null
  }

  /** Stops listening, cuts every connection, busy or idle, and removes its unix socket if it is still there. */
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
    if (problem !== null && !before) this.#options.onProblem?.(`${problem}: nobody who connects is answered`)
    if (problem === null && before) this.#options.onProblem?.('the socket is as it was made again, and answers')
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
    if (body === 'too large') return refuse(request, response, 413)
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

  /** While an answer is made, its connection is one that waits. */
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

  #send(response: ServerResponse, { status, contentType, body }: HttpAnswer): void {
    const head = {
      // Exactly this type: the client xen-api takes anything else for a host without JSON-RPC.
      'content-type': contentType ?? 'application/json',
      'content-length': Buffer.byteLength(body),
    }
    // With a length a client would wait for what is never sent (RFC 9110, 8.6).
    response.writeHead(status, status === 204 ? {} : head)
    response.setTimeout(this.#limits.unreadAnswerTimeoutMs, () => {
      if (!response.writableFinished) response.destroy()
    })
    response.end(body)
  }
}
