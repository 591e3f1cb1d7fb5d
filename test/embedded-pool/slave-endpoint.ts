import { xenApiJsonRpc } from '../../src/embedded-pool/json-rpc.ts'
import { type ListenOptions, XenApiServer } from '../../src/embedded-pool/server.ts'
import type { ListeningAt } from '../../src/platform/http/listen.ts'

export interface SlaveEndpointOptions {
  /** Address of the coordinator, without a port, as stock tells it. */
  readonly coordinator: string
  /**
   * Raised before the call is dispatched, as stock's emergency mode is, the error comes in the form of JSON-RPC 2 with
   * id 0 and a plain array, whatever was asked (api_server.ml:188-195). Default false.
   */
  readonly beforeDispatch?: boolean
}

export interface SlaveEndpoint {
  /** @throws the system's error, such as EADDRINUSE */
  listen(options: ListenOptions): Promise<ListeningAt>
  close(): Promise<void>
}

/** A pool member that is not the coordinator: every call is answered with HOST_IS_SLAVE [coordinator]. */
export function createSlaveEndpoint({ coordinator, beforeDispatch = false }: SlaveEndpointOptions): SlaveEndpoint {
  const error = ['HOST_IS_SLAVE', coordinator] as const
  const raised = JSON.stringify({ jsonrpc: '2.0', error, id: 0 })
  const jsonRpc = xenApiJsonRpc(
    async () => ({ error }),
    () => undefined,
  )
  return new XenApiServer(
    async (body, signal, client) =>
      beforeDispatch ? raised : ((await jsonRpc.answer(body, { signal, client })) ?? ''),
    () => undefined,
  )
}
