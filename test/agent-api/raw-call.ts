import { JSONRPCErrorException } from 'json-rpc-2.0'
import { JsonPoster } from '../../src/platform/http/json-poster.ts'

/** Calls any method of an agent with any parameters, where `AgentClient` allows only what exists. */
export async function rawCall(
  address: string,
  method: string,
  params: unknown,
  signal: AbortSignal = AbortSignal.timeout(30_000),
): Promise<unknown> {
  const isSocket = address.startsWith('/')
  const poster = new JsonPoster({
    url: new URL('/jsonrpc', isSocket ? 'http://localhost' : address),
    socketPath: isSocket ? address : undefined,
    agent: false,
    maxAnswerBytes: 1_048_576,
  })
  const answer = await poster.post(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), signal)
  if (typeof answer !== 'object' || answer === null) throw new Error('no JSON-RPC')
  if ('error' in answer) {
    const { code, message, data }: { code?: unknown; message?: unknown; data?: unknown } = Object(answer.error)
    throw new JSONRPCErrorException(String(message), Number(code), data)
  }
  return 'result' in answer ? answer.result : undefined
}
