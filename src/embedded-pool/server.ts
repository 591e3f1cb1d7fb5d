import type { RequestClient } from '../platform/http/http-route.ts'
import { type HttpLimits, HttpServer, type TlsIdentity } from '../platform/http/http-server.ts'
import type { ListeningAt } from '../platform/http/listen.ts'
import { machineClock } from '../platform/time/clock.ts'

export interface ListenOptions {
  /** 0 selects a free port. */
  readonly port: number
  /** Default 127.0.0.1. */
  readonly host?: string
  /** If set, the server speaks HTTPS and does not answer plain HTTP. */
  readonly tls?: TlsIdentity
}

/** Maps the body of a request to the body of the response. It never rejects. */
export type AnswerBody = (body: string, signal: AbortSignal, client: RequestClient) => Promise<string>

/**
 * xapi supports 64 hosts. Each host has one call that waits for events and a few concurrent ones: heartbeat, reports, notifications.
 * A host without a connection has no heartbeat, and the pool assumes that it is dead. Any network that a pool can use transfers a
 * request of 1 MiB within ten seconds.
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

  /** Listens at one address. @returns the address; @throws the error of the system, such as EADDRINUSE, or of OpenSSL for a bad key */
  listen({ tls, ...address }: ListenOptions): Promise<ListeningAt> {
    return this.#server.listen(address, tls)
  }

  /** Stops listening and closes every connection, busy or idle. */
  close(): Promise<void> {
    return this.#server.close()
  }
}
