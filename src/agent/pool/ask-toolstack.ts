import { PLUGIN_NAME, type PluginErrorName } from '../../agent-api/plugin-functions.ts'
import { PoolRefusal } from '../../agent-api/pool-methods.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { XenApiError, XenApiUnreachable } from '../../xenapi-client/errors.ts'

/** Timeout of one call to the toolstack: a person waits for the result. */
export const CALL_TIMEOUT_MS = 10_000

/** What the plugin raises where there is no gate; the second one if it is too old to have the function. */
const NO_GATE: ReadonlySet<string> = new Set<PluginErrorName>(['NoGate', 'UnknownFunction'])

/**
 * Calls a method of the toolstack. An error becomes a sentence for people.
 * @throws PoolRefusal
 */
export async function askToolstack(
  client: XenApiClient,
  method: string,
  params: readonly unknown[],
  signal: AbortSignal,
): Promise<unknown> {
  return refusalsOf(client.call(method, params, { signal, timeoutMs: CALL_TIMEOUT_MS }))
}

/** Turns what a toolstack raises into a refusal. @throws PoolRefusal */
export async function refusalsOf<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof XenApiError) throw refusalOf(error)
    if (!(error instanceof XenApiUnreachable)) throw error
    throw new PoolRefusal('toolstackUnreachable', `the toolstack cannot be reached: ${error.message}`)
  }
}

function refusalOf({ code, params, message }: XenApiError): PoolRefusal {
  const error = [code, ...params]
  if (code === 'XENAPI_MISSING_PLUGIN')
    return new PoolRefusal('noGate', `the coordinator has no plugin ${PLUGIN_NAME}`, error)
  if (code !== 'XENAPI_PLUGIN_FAILURE') return new PoolRefusal('refused', `the toolstack refused: ${message}`, error)
  const [, exception = '', text = ''] = params
  if (NO_GATE.has(exception)) return new PoolRefusal('noGate', `no gate answers for this pool: ${text}`, error)
  const invalid: PluginErrorName = 'InvalidArgument'
  if (exception === invalid) return new PoolRefusal('invalid', text, error)
  return new PoolRefusal('refused', `the coordinator could not answer: ${text}`, error)
}
