import { XenApiError, XenApiUnreachable } from './errors.ts'

/** Reads a JSON-RPC 2.0 answer to the call `id`. Pure. @throws XenApiError, XenApiUnreachable */
export function resultOf(answer: unknown, id: number): unknown {
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
