import type { HttpAnswer, HttpRoute, RequestClient } from '../../platform/http/http-route.ts'
import { HttpServer } from '../../platform/http/http-server.ts'
import type { ListenAddress, ListeningAt } from '../../platform/http/listen.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { Dispatch } from '../dispatch/json-rpc.ts'
import { parseStockRequest, stockAnswer } from './stock-rpc.ts'

/** An endpoint of one host of the pool. */
export type StockListenOptions = {
  /** Ref of the host. Default: the coordinator. */
  readonly of?: string
} & (
  | {
      /** The unix socket of the host: it accepts every user and password, with all rights. */
      readonly socketPath: string
    }
  | {
      /** The TCP port of the host; 0 selects a free port. That of a member answers every call with HOST_IS_SLAVE. */
      readonly port: number
      /** Default 127.0.0.1. */
      readonly host?: string
    }
)

export interface StockEndpointsOptions {
  readonly dispatch: Dispatch
  readonly clock: Clock
  /** Ref of the coordinator, and its address. */
  readonly coordinator: () => { readonly ref: string; readonly address: string }
  readonly onBug: (bug: unknown) => void
}

/** A larger request is answered with an HTTP error. */
const MAX_BODY_BYTES = 307_200

/** Where the hosts of a stock pool are reached: TCP ports and unix sockets, in the formats of a stock xapi. */
export class StockEndpoints {
  readonly #options: StockEndpointsOptions
  #isClosed = false
  readonly #open: { server: HttpServer; readonly of: string | undefined; readonly address: ListenAddress }[] = []

  constructor(options: StockEndpointsOptions) {
    this.#options = options
  }

  /** @throws the error of the system, such as EADDRINUSE */
  async listen(options: StockListenOptions): Promise<ListeningAt> {
    const isSocket = 'socketPath' in options
    const server = this.#serverOf(options.of, isSocket)
    const at = await server.listen(isSocket ? { path: options.socketPath } : options)
    const address = isSocket ? { path: options.socketPath } : at
    this.#open.push({ server, of: options.of, address })
    return at
  }

  /** Breaks all connections and refuses further ones. */
  async pause(): Promise<void> {
    await Promise.all(this.#open.map(({ server }) => server.close()))
  }

  /** Listens at the same addresses again. @throws the error of the system, such as EADDRINUSE */
  async resume(): Promise<void> {
    if (this.#isClosed) return
    for (const endpoint of this.#open) {
      endpoint.server = this.#serverOf(endpoint.of, 'path' in endpoint.address)
      await endpoint.server.listen(endpoint.address)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.pause()
  }

  #serverOf(of: string | undefined, isSocket: boolean): HttpServer {
    const answer = (body: string, signal: AbortSignal, _below: string, client: RequestClient) =>
      this.#answer(body, signal, client, of, isSocket)
    const routes: HttpRoute[] = [
      { method: 'POST', path: '/jsonrpc', answer, tooLarge: httpError('Http.Too_large'), notUtf8: httpError('Utf8') },
      { method: 'GET', path: '/jsonrpc', answer: () => ({ ...httpError('Forbidden'), status: 403 }) },
      // the XML-RPC of stock xapi is not implemented
      { method: 'POST', path: '/', answer: () => httpError('Xmlm.Error') },
    ]
    const { clock, onBug } = this.#options
    const limits = { maxBodyBytes: MAX_BODY_BYTES, maxConnections: 1_024 }
    return new HttpServer({ clock, routes, onBug, limits })
  }

  async #answer(
    body: string,
    signal: AbortSignal,
    client: RequestClient,
    of: string | undefined,
    isSocket: boolean,
  ): Promise<HttpAnswer> {
    const request = parseStockRequest(body)
    if ('exception' in request) return httpError(request.exception)
    const coordinator = this.#options.coordinator()
    const isMember = of !== undefined && of !== coordinator.ref
    const outcome =
      isMember && !isSocket
        ? { error: ['HOST_IS_SLAVE', coordinator.address] as const }
        : await this.#options.dispatch(request.method, request.params, signal, client)
    return { status: 200, body: stockAnswer(request, outcome, isMember && isSocket) }
  }
}

/** The answer of xapi to an exception outside of its RPC handler. It closes the connection. */
function httpError(exception: string): HttpAnswer {
  const body = `<html><body><h1>HTTP 500 internal server error</h1>An unexpected error occurred; please wait a while and try again.<h1>Additional information</h1>${exception}</body></html>`
  return { status: 500, contentType: 'text/html', body, closes: true }
}
