import type { RequestClient } from '../platform/http/http-route.ts'
import { type HttpLimits, HttpServer, type TlsIdentity } from '../platform/http/http-server.ts'
import type { ListeningAt } from '../platform/http/listen.ts'
import { machineClock } from '../platform/time/clock.ts'

export interface ListenOptions {
  /** 0 takes any free port. */
  readonly port: number
  /** Default 127.0.0.1. */
  readonly host?: string
  /** With it it is HTTPS, and plain HTTP is not answered. */
  readonly tls?: TlsIdentity
}

/** Answers the body of a request with the body of a response. It never rejects, and always has an answer. */
export type AnswerBody = (body: string, signal: AbortSignal, client: RequestClient) => Promise<string>

/**
 * Each of 64 hosts, as many as xapi supports, has a call that waits for events and a few at once beside it: heartbeat, reports,
 * notifications. One that is cut off has lost its heartbeat, and is taken for dead sooner or later. A request of 1 MiB has arrived
 * within ten seconds on any network that a pool can use.
 */
const LIMITS: Partial<HttpLimits> = {
  maxConnections: 1_024,
  maxUnownedOfAnAddress: 512,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
}

/** XenAPI over HTTP or HTTPS: `POST /jsonrpc`. */
export class XenApiServer {
  readonly #server: HttpServer

  constructor(answer: AnswerBody, onBug: (bug: unknown) => void, limits: Partial<HttpLimits> = {}) {
    const route = {
      method: 'POST',
      path: '/jsonrpc',
      answer: async (body: string, signal: AbortSignal, _below: string, client: RequestClient) => ({
        status: 200,
        body: await answer(body, signal, client),
      }),
    } as const
    this.#server = new HttpServer({ clock: machineClock, routes: [route], onBug, limits: { ...LIMITS, ...limits } })
  }

  /** Begins to listen, at one place. @returns where; @throws the system's error, such as EADDRINUSE, or OpenSSL's of a bad key */
  listen({ tls, ...address }: ListenOptions): Promise<ListeningAt> {
    return this.#server.listen(address, tls)
  }

  /** Stops listening and cuts every connection, busy or idle. */
  close(): Promise<void> {
    return this.#server.close()
  }
}
