import { xenApiJsonRpc } from '../../src/embedded-pool/dispatch/json-rpc.ts'
import { type ListenOptions, XenApiServer } from '../../src/embedded-pool/server.ts'
import type { ListeningAt } from '../../src/platform/http/listen.ts'

export interface SlaveEndpointOptions {
  /** Address of the coordinator without a port, as in stock xapi. */
  readonly coordinator: string
  /**
   * Raise the error before the call is dispatched, as the emergency mode of stock xapi: in the format of JSON-RPC 2 with id 0 and a
   * plain array, for every request (api_server.ml:188-195). Default false.
   */
  readonly beforeDispatch?: boolean
}

export interface SlaveEndpoint {
  /** @throws the error of the system, such as EADDRINUSE */
  listen(options: ListenOptions): Promise<ListeningAt>
  close(): Promise<void>
}

/** A pool member that is not the coordinator: it answers every call with HOST_IS_SLAVE [coordinator]. */
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
