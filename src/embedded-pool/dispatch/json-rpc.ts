import type { RequestClient } from '../../platform/http/http-route.ts'
import { type JsonRpcError, JsonRpcServer } from '../../platform/http/json-rpc-server.ts'
import type { CallOutcome } from './dispatcher.ts'

/** Runs one call. It never rejects. */
export type Dispatch = (
  method: string,
  params: readonly unknown[],
  signal: AbortSignal,
  client: RequestClient,
) => Promise<CallOutcome>

interface CallContext {
  readonly signal: AbortSignal
  readonly client: RequestClient
}

/** Far above what the HTTP server accepts. */
const MAX_BODY_LENGTH = 16_777_216

/**
 * JSON-RPC in the shapes of a stock toolstack (api_server.ml:29-51, api_server_common.ml:195): version 2.0 and, for requests without
 * a `jsonrpc` key, version 1; a XenAPI error is code 1, its code as the message and its parameters as the data. Like stock it takes
 * no notifications: host.reboot must not fail in silence.
 * @param onBug receives the exception when an answer cannot be written
 */
export function xenApiJsonRpc(dispatch: Dispatch, onBug: (bug: unknown) => void): JsonRpcServer<CallContext> {
  return new JsonRpcServer<CallContext>({
    run: async (method, params, { signal, client }) => {
      const outcome = await dispatch(method, Array.isArray(params) ? params : [], signal, client)
      return 'result' in outcome ? outcome : { error: xenApiError(outcome.error) }
    },
    onBug,
    ownError: text => xenApiError(['INTERNAL_ERROR', text]),
    maxBodyLength: MAX_BODY_LENGTH,
    params: 'positional',
    allowNotifications: false,
    allowVersion1: true,
  })
}

function xenApiError([code, ...params]: readonly [string, ...string[]]): JsonRpcError {
  return { code: 1, message: code, data: params }
}
