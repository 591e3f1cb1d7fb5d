import { XenApiError, XenApiUnreachable } from './errors.ts'
import { JsonTransport, type XenApiEndpoint } from './transport.ts'

export interface XenApiClientOptions extends XenApiEndpoint {
  readonly user: string
  readonly password: string
  /** How long one call may take, in milliseconds, its login not counted. Default 30 000. */
  readonly callTimeoutMs?: number
}

export interface CallOptions {
  /** Instead of the client's, for calls that wait on purpose. */
  readonly timeoutMs?: number
  /** Ends the call; not a login that other calls wait for as well. */
  readonly signal?: AbortSignal
}

const DEFAULT_CALL_TIMEOUT_MS = 30_000
/** Closing must not hang on a toolstack that is away. */
const LOGOUT_TIMEOUT_MS = 1_000
const API_VERSION = '2.21'
/** Names this program in the toolstack's log and session list. */
const ORIGINATOR = 'resync-monitor'

/**
 * XenAPI over JSON-RPC 2.0. It logs in when first needed, once for all who wait, and again when the toolstack no longer
 * knows the session: SESSION_INVALID is raised before a call does anything, so asking once more is safe. Nothing else is
 * repeated here.
 */
export class XenApiClient {
  readonly #options: XenApiClientOptions
  readonly #transport: JsonTransport
  readonly #closing = new AbortController()
  #session: Promise<string> | null = null
  #lastId = 0

  constructor(options: XenApiClientOptions) {
    this.#options = options
    this.#transport = new JsonTransport(options)
  }

  /**
   * Calls a method; the session is put before the parameters.
   * @throws XenApiError what the toolstack says; XenApiUnreachable no answer in time, or not XenAPI's
   */
  async call(method: string, params: readonly unknown[] = [], options: CallOptions = {}): Promise<unknown> {
    const session = this.#login()
    try {
      return await this.#send(method, [await session, ...params], options)
    } catch (error) {
      if (!(error instanceof XenApiError) || error.code !== 'SESSION_INVALID') throw error
      // another call may have logged in again meanwhile
      if (this.#session === session) this.#session = null
      return this.#send(method, [await this.#login(), ...params], options)
    }
  }

  /** Ends what is under way, logs out if the toolstack is there, and cuts the connections. Calls after it fail. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the client was closed'))
    const session = this.#session
    this.#session = null
    try {
      if (session !== null) await this.#post('session.logout', [await session], AbortSignal.timeout(LOGOUT_TIMEOUT_MS))
    } catch {
      // it was never logged in, or the toolstack is away: the session ends by itself, later
    } finally {
      this.#transport.close()
    }
  }

  #login(): Promise<string> {
    this.#session ??= this.#openSession()
    return this.#session
  }

  async #openSession(): Promise<string> {
    try {
      const { user, password } = this.#options
      const ref = await this.#send('session.login_with_password', [user, password, API_VERSION, ORIGINATOR], {})
      if (typeof ref !== 'string') throw new XenApiUnreachable('the session is no string')
      return ref
    } catch (error) {
      this.#session = null
      throw error
    }
  }

  #send(method: string, params: readonly unknown[], { timeoutMs, signal }: CallOptions): Promise<unknown> {
    const deadline = AbortSignal.timeout(timeoutMs ?? this.#options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS)
    const ends = [deadline, this.#closing.signal, ...(signal === undefined ? [] : [signal])]
    return this.#post(method, params, AbortSignal.any(ends))
  }

  async #post(method: string, params: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    this.#lastId += 1
    const id = this.#lastId
    return resultOf(await this.#transport.post(JSON.stringify({ jsonrpc: '2.0', method, params, id }), signal), id)
  }
}

function resultOf(answer: unknown, id: number): unknown {
  if (typeof answer !== 'object' || answer === null) throw new XenApiUnreachable('the answer is no JSON-RPC')
  if ('error' in answer && answer.error !== null) throw errorOf(answer.error)
  if (!('id' in answer) || answer.id !== id || !('result' in answer)) {
    throw new XenApiUnreachable('the answer is to no question of ours')
  }
  return answer.result
}

/** A plain array is what stock raises before dispatch, such as HOST_IS_SLAVE, with id 0 (api_server.ml:188-195). */
function errorOf(error: unknown): Error {
  if (Array.isArray(error)) return new XenApiError(String(error[0]), error.slice(1).map(String))
  if (typeof error === 'object' && error !== null && 'code' in error && 'message' in error) {
    const data: readonly unknown[] = 'data' in error && Array.isArray(error.data) ? error.data : []
    // 1 is every XenAPI error; the others are JSON-RPC's own, which a right client on a right server never sees
    if (error.code === 1) return new XenApiError(String(error.message), data.map(String))
    return new XenApiUnreachable(`JSON-RPC error ${String(error.code)}: ${String(error.message)}`)
  }
  return new XenApiUnreachable('the error is no JSON-RPC')
}
