import { JSONRPCErrorCode } from 'json-rpc-2.0'
import type { HttpAnswer } from '../platform/http/http-route.ts'
import { type JsonRpcOutcome, JsonRpcServer, unreadable } from '../platform/http/json-rpc-server.ts'
import {
  AGENT_ERRORS,
  AGENT_METHODS,
  type AgentErrorName,
  type AgentMethod,
  isAgentMethod,
  type ParamsOf,
  problemOf,
  type ResultOf,
} from './methods.ts'

type Handler<Method extends AgentMethod> = (
  params: ParamsOf<Method>,
  signal: AbortSignal,
) => ResultOf<Method> | Promise<ResultOf<Method>>

/** What carries out each method. A method without a handler does not exist at that socket. @throws MethodFailure: any other exception is a bug */
export type MethodHandlers = { readonly [Method in AgentMethod]?: Handler<Method> }

/** A method has no result: the error that its caller gets. `invalid`: the parameters make no sense here. */
export class MethodFailure extends Error {
  readonly kind: AgentErrorName | 'invalid'
  readonly data: unknown

  constructor(kind: MethodFailure['kind'], text: string, data?: unknown) {
    super(text)
    this.name = 'MethodFailure'
    this.kind = kind
    this.data = data
  }
}

/** What the socket accepts, in UTF-16 units. */
const MAX_BODY_LENGTH = 65_536

/** Answers bodies of `POST /jsonrpc`: JSON-RPC 2.0 as the specification has it. @param onBug receives what a handler throws by mistake */
export function serveMethods(
  handlers: MethodHandlers,
  onBug: (bug: unknown) => void,
): (body: string, signal: AbortSignal) => Promise<HttpAnswer> {
  const server = new JsonRpcServer<AbortSignal>({
    run: (method, params, signal) => runMethod(handlers, method, params, signal, onBug),
    onBug,
    ownError: text => ({ code: JSONRPCErrorCode.InternalError, message: `internal error: ${text}` }),
    maxBodyLength: MAX_BODY_LENGTH,
    params: 'named-or-positional',
    allowNotifications: true,
    allowVersion1: false,
  })
  return async (body, signal) => {
    const answer = await server.answer(body, signal)
    return answer === null ? { status: 204, body: '' } : { status: 200, body: answer }
  }
}

/** The answer to a request that is not UTF-8. */
export const REQUEST_NOT_UTF8: HttpAnswer = { status: 200, body: unreadable('the request is not UTF-8') }

async function runMethod(
  handlers: MethodHandlers,
  method: string,
  params: unknown,
  signal: AbortSignal,
  onBug: (bug: unknown) => void,
): Promise<JsonRpcOutcome> {
  const run = isAgentMethod(method) ? runnerOf(method, handlers) : null
  if (run === null) return { error: { code: JSONRPCErrorCode.MethodNotFound, message: 'Method not found' } }
  try {
    return { result: await run(params, signal) }
  } catch (error) {
    if (error instanceof MethodFailure) return { error: rpcErrorOf(error) }
    onBug(error)
    return { error: { code: JSONRPCErrorCode.InternalError, message: 'internal error, see the log' } }
  }
}

function runnerOf<Method extends AgentMethod>(method: Method, handlers: MethodHandlers) {
  const handler: Handler<Method> | undefined = handlers[method]
  if (handler === undefined) return null
  return (given: unknown, signal: AbortSignal) => {
    const params = AGENT_METHODS[method].params.safeParse(given)
    if (!params.success) throw new MethodFailure('invalid', problemOf(params.error))
    return handler(params.data, signal)
  }
}

function rpcErrorOf({ kind, message, data }: MethodFailure) {
  const code = kind === 'invalid' ? JSONRPCErrorCode.InvalidParams : AGENT_ERRORS[kind].code
  return { code, message, ...(data === undefined ? {} : { data }) }
}
