import { messageOf } from '../platform/errors.ts'
import type { Clock } from '../platform/time/clock.ts'
import type { XenApiClient } from '../xenapi-client/client.ts'
import { clientOf } from '../xenapi-client/client-of-files.ts'
import { XenApiError, XenApiUnreachable } from '../xenapi-client/errors.ts'
import type { GuardConfig } from './guard-config.ts'

/** The client of the guard: through the host's unix socket, or from another machine. @throws Error a file cannot be read */
export function guardClient({ url, socket, ...config }: GuardConfig, clock: Clock): Promise<XenApiClient> {
  if (url !== undefined) return clientOf({ ...config, url }, clock)
  return clientOf({ url: 'http://localhost', socket, user: config.user }, clock)
}

/** The answer of a stock toolstack, or why there is none: a sentence for people. */
export type StockPoolAnswer<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false
      readonly problem: { readonly code: 'toolstackUnreachable' | 'refused'; readonly text: string }
    }

/**
 * Asks a stock toolstack with a client of its own, as a command does. After `toolstackUnreachable` it is not known whether something was
 * written.
 */
export async function askStockPool<T>(
  config: GuardConfig,
  clock: Clock,
  ask: (client: XenApiClient) => Promise<T>,
): Promise<StockPoolAnswer<T>> {
  const problem = (code: 'toolstackUnreachable' | 'refused', text: string) =>
    ({ ok: false, problem: { code, text } }) as const
  let client: XenApiClient
  try {
    client = await guardClient(config, clock)
  } catch (error) {
    return problem('toolstackUnreachable', messageOf(error))
  }
  const at = config.url ?? config.socket
  try {
    return { ok: true, value: await ask(client) }
  } catch (error) {
    if (error instanceof XenApiError) return problem('refused', `the toolstack at ${at} refused: ${error.message}`)
    if (!(error instanceof XenApiUnreachable)) throw error
    return problem('toolstackUnreachable', `the toolstack at ${at} does not answer: ${error.message}`)
  } finally {
    await client.close()
  }
}
