import { messageOf } from '../platform/errors.ts'
import { JsonPoster } from '../platform/http/json-poster.ts'
import { type Clock, deadline } from '../platform/time/clock.ts'
import { type CheckedEndpoint, connectionsTo } from './endpoint.ts'
import { XenApiError, XenApiUnreachable } from './errors.ts'

export interface CallOptions {
  /** Replaces the client's timeout, for calls that wait on purpose. */
  readonly timeoutMs?: number
  /** Aborts the call, but not a login that other calls wait for as well. */
  readonly signal?: AbortSignal
}

export interface ConnectionOptions {
  readonly clock: Clock
  readonly user: string
  readonly password: string
  readonly callTimeoutMs: number
  readonly loginPauseMs: number
  /** Called after each new session. */
  readonly onLogin: () => void
}

/** The records of a large pool are a few MiB; more is not XenAPI. */
const MAX_ANSWER_BYTES = 64 * 1_048_576
/** Closing must not wait for a toolstack that does not answer. */
const LOGOUT_TIMEOUT_MS = 1_000
const API_VERSION = '2.21'
/** The name of this program in the toolstack's log and list of sessions. */
const ORIGINATOR = 'resync-monitor'

/**
 * A session with one toolstack. The first call logs in, once for all concurrent calls. If the toolstack no longer knows the session,
 * the connection logs in again and repeats the call: SESSION_INVALID is raised before a call does anything. Nothing else is repeated.
 *
 * After a refused login no call logs in again before `loginPauseMs`: a daemon with a wrong password would lock the account and fill
 * the toolstack's log.
 */
export class XenApiConnection {
  readonly #options: ConnectionOptions
  readonly #poster: JsonPoster
  /**
   * Over xapi's unix socket errors have one shape in JSON-RPC 1 on every host. In version 2 a member answers them as a plain list
   * (executed on a pool of three hosts).
   */
  readonly #version: { readonly jsonrpc?: '2.0' }
  readonly #closing = new AbortController()
  #session: Promise<string> | null = null
  #refusal: { readonly error: XenApiError; readonly untilMs: number } | null = null
  #lastId = 0

  constructor(endpoint: CheckedEndpoint, options: ConnectionOptions) {
    this.#options = options
    this.#version = endpoint.socketPath === undefined ? { jsonrpc: '2.0' } : {}
    this.#poster = new JsonPoster({
      url: endpoint.url,
      socketPath: endpoint.socketPath,
      agent: connectionsTo(endpoint),
      maxAnswerBytes: MAX_ANSWER_BYTES,
    })
  }

  async call(method: string, params: readonly unknown[], options: CallOptions): Promise<unknown> {
    const session = this.#login()
    try {
      return await this.#send(method, [await session, ...params], options)
    } catch (error) {
      if (!(error instanceof XenApiError) || error.code !== 'SESSION_INVALID') throw error
      // Another call may have logged in again meanwhile.
      if (this.#session === session) this.#session = null
      return this.#send(method, [await this.#login(), ...params], options)
    }
  }

  /** Aborts the calls under way, logs out if the toolstack answers, and closes the connections. Later calls fail. */
  async close(why: string): Promise<void> {
    this.#closing.abort(new Error(why))
    const session = this.#session
    this.#session = null
    try {
      if (session !== null) await this.#post('session.logout', [await session], AbortSignal.timeout(LOGOUT_TIMEOUT_MS))
    } catch {
      // There was no session, or the toolstack does not answer: the session expires later.
    } finally {
      this.#poster.close()
    }
  }

  #login(): Promise<string> {
    if (this.#refusal !== null && this.#options.clock.steadyNow() < this.#refusal.untilMs)
      return Promise.reject(this.#refusal.error)
    this.#session ??= this.#openSession()
    return this.#session
  }

  async #openSession(): Promise<string> {
    try {
      const { user, password, onLogin } = this.#options
      const ref = await this.#send('session.login_with_password', [user, password, API_VERSION, ORIGINATOR], {})
      if (typeof ref !== 'string')
        throw new XenApiUnreachable('session.login_with_password did not answer with a session')
      this.#refusal = null
      onLogin()
      return ref
    } catch (error) {
      this.#session = null
      if (isRefusal(error))
        this.#refusal = { error, untilMs: this.#options.clock.steadyNow() + this.#options.loginPauseMs }
      throw error
    }
  }

  #send(method: string, params: readonly unknown[], { timeoutMs, signal }: CallOptions): Promise<unknown> {
    const tooLong = deadline(timeoutMs ?? this.#options.callTimeoutMs)
    const ends = [tooLong, this.#closing.signal, ...(signal === undefined ? [] : [signal])]
    return this.#post(method, params, AbortSignal.any(ends))
  }

  async #post(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    this.#lastId += 1
    const id = this.#lastId
    const body = JSON.stringify({ ...this.#version, method, params, id })
    const answer = await this.#poster.post(body, signal).catch((cause: unknown) => {
      throw new XenApiUnreachable(messageOf(cause), { cause })
    })
    return resultOf(answer, id)
  }
}

function isRefusal(error: unknown): error is XenApiError {
  return error instanceof XenApiError && error.code === 'SESSION_AUTHENTICATION_FAILED'
}

/** Reads a JSON-RPC 2.0 answer to the call `id`. Pure. @throws XenApiError, XenApiUnreachable */
function resultOf(answer: unknown, id: number): unknown {
  if (typeof answer !== 'object' || answer === null) throw new XenApiUnreachable('the answer is not JSON-RPC')
  if ('error' in answer && answer.error !== null) throw errorOf(answer.error)
  if (!('id' in answer) || answer.id !== id || !('result' in answer)) {
    throw new XenApiUnreachable('the answer belongs to another request')
  }
  return answer.result
}

/** Stock raises a plain array before dispatch, such as HOST_IS_SLAVE, with id 0 (api_server.ml:188-195). */
function errorOf(error: unknown): Error {
  if (Array.isArray(error)) return new XenApiError(String(error[0]), error.slice(1).map(String))
  if (typeof error === 'object' && error !== null && 'code' in error && 'message' in error) {
    const data: readonly unknown[] = 'data' in error && Array.isArray(error.data) ? error.data : []
    // 1 is every XenAPI error. The others are errors of JSON-RPC itself.
    if (error.code === 1) return new XenApiError(String(error.message), data.map(String))
    return new XenApiUnreachable(`JSON-RPC error ${String(error.code)}: ${String(error.message)}`)
  }
  return new XenApiUnreachable('the error is not JSON-RPC')
}
