import type { Clock } from '../platform/time/clock.ts'
import { type CallOptions, type ConnectionOptions, XenApiConnection } from './connection.ts'
import { type CheckedEndpoint, checkEndpoint, endpointAt, type XenApiEndpoint } from './endpoint.ts'
import { XenApiError, XenApiUnreachable } from './errors.ts'

export interface XenApiClientOptions extends XenApiEndpoint {
  readonly clock: Clock
  readonly user: string
  readonly password: string
  /** Timeout of one call in milliseconds, without its login. Default 30 000. */
  readonly callTimeoutMs?: number
  /** Milliseconds between a refused login and the next attempt. Default 10 000. */
  readonly loginPauseMs?: number
}

const DEFAULT_CALL_TIMEOUT_MS = 30_000
const DEFAULT_LOGIN_PAUSE_MS = 10_000
/** More redirections in one call mean that two hosts name each other as the coordinator. */
const MAX_REDIRECTIONS = 3
/** A longer timer of Node fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * A XenAPI client (JSON-RPC 2.0) of the pool that the configured endpoint belongs to.
 *
 * HOST_IS_SLAVE names the coordinator, and is raised before a call does anything. The client then repeats the call at the coordinator,
 * with the same scheme, port and certificates, and keeps using it until it cannot be reached. After that the next call goes to the
 * configured endpoint, which knows the present coordinator. If that endpoint cannot be reached either, the next call goes to the last
 * known coordinator, and so on alternately: the configured endpoint may be a host that is down for hours while the pool is up. A call
 * that got no answer may have been carried out, and is not repeated.
 *
 * Invariant: `#route` is `#home` or the connection of `#coordinator`. Only calls change it.
 */
export class XenApiClient {
  readonly #endpoint: CheckedEndpoint
  readonly #connectionOptions: ConnectionOptions
  readonly #home: XenApiConnection
  #coordinator: { readonly address: string; readonly connection: XenApiConnection } | null = null
  #route: XenApiConnection
  #leaving: Promise<unknown> = Promise.resolve()
  #closed = false
  #logins = 0

  /** @throws TypeError naming the option that cannot be used */
  constructor(options: XenApiClientOptions) {
    this.#endpoint = checkEndpoint(options)
    this.#connectionOptions = {
      clock: options.clock,
      user: options.user,
      password: options.password,
      callTimeoutMs: checkDuration('callTimeoutMs', options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS),
      loginPauseMs: checkDuration('loginPauseMs', options.loginPauseMs ?? DEFAULT_LOGIN_PAUSE_MS),
      onLogin: () => {
        this.#logins += 1
      },
    }
    this.#home = new XenApiConnection(this.#endpoint, this.#connectionOptions)
    this.#route = this.#home
  }

  /** How many sessions were opened so far. If it grows between two calls, the toolstack was restarted or is another one. */
  get logins(): number {
    return this.#logins
  }

  /**
   * Calls a method. The session is added before the parameters.
   * @throws XenApiError the toolstack's error; XenApiUnreachable no answer in time, or an answer that is not XenAPI
   */
  async call(method: string, params: readonly unknown[] = [], options: CallOptions = {}): Promise<unknown> {
    for (let redirections = 0; ; redirections += 1) {
      const route = this.#route
      try {
        const answer = await route.call(method, params, options)
        if (route === this.#home && this.#route === route) this.#forgetCoordinator()
        return answer
      } catch (error) {
        if (error instanceof XenApiError && error.code === 'HOST_IS_SLAVE') {
          this.#follow(route, error.params[0] ?? '', redirections)
          continue
        }
        // An abort by the caller does not mean that the coordinator is unreachable.
        if (error instanceof XenApiUnreachable && options.signal?.aborted !== true) this.#leave(route)
        throw error
      }
    }
  }

  /** Aborts the calls under way, logs out if the toolstack answers, and closes the connections. Later calls fail. */
  async close(): Promise<void> {
    this.#closed = true
    const why = 'the client was closed'
    await Promise.all([this.#home.close(why), this.#coordinator?.connection.close(why), this.#leaving])
  }

  /** Uses the coordinator that a slave names. @throws XenApiUnreachable if there is none */
  #follow(from: XenApiConnection, address: string, redirections: number): void {
    if (this.#closed) throw new XenApiUnreachable('the client was closed')
    if (redirections >= MAX_REDIRECTIONS) {
      this.#leave(from)
      throw new XenApiUnreachable(`no coordinator: after ${redirections} redirections a slave names ${address}`)
    }
    // Another call has already switched.
    if (this.#route !== from) return
    const endpoint = endpointAt(this.#endpoint, address)
    if (endpoint === null) {
      this.#leave(from)
      throw new XenApiUnreachable(`no coordinator: a slave names ${JSON.stringify(address)}, which is not an address`)
    }
    if (this.#coordinator?.address !== address) {
      this.#forgetCoordinator()
      this.#coordinator = { address, connection: new XenApiConnection(endpoint, this.#connectionOptions) }
    }
    this.#route = this.#coordinator.connection
  }

  #forgetCoordinator(): void {
    if (this.#coordinator === null) return
    const before = this.#coordinator.connection.close('another host is the coordinator')
    this.#leaving = Promise.all([this.#leaving, before])
    this.#coordinator = null
  }

  /** Switches to the other endpoint. The connection is kept, with its session: perhaps only one call took too long. */
  #leave(route: XenApiConnection): void {
    // Another call has already switched.
    if (this.#route !== route) return
    this.#route = route === this.#home ? (this.#coordinator?.connection ?? this.#home) : this.#home
  }
}

function checkDuration(name: string, ms: number): number {
  if (ms >= 0 && ms <= MAX_TIMER_MS) return ms
  throw new TypeError(`${name}: must be from 0 to ${MAX_TIMER_MS} milliseconds`)
}
