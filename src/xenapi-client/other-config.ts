import type { XenApiClient } from './client.ts'
import type { CallOptions } from './connection.ts'
import { XenApiError } from './errors.ts'

/** How often another writer of the same key may come between before it is an error. */
const MAX_TRIES = 3

/**
 * Sets a key of an object's `other_config`. XenAPI cannot replace a key of a map, so the key is removed and added: in between, or if the
 * second call fails, readers find no such key.
 * @param cls such as `PBD`
 * @throws XenApiError, XenApiUnreachable: the key may have the old value, the new one, or be absent
 */
export async function setOtherConfig(
  client: XenApiClient,
  cls: string,
  ref: string,
  key: string,
  value: string,
  options?: CallOptions,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    await client.call(`${cls}.remove_from_other_config`, [ref, key], options)
    try {
      await client.call(`${cls}.add_to_other_config`, [ref, key, value], options)
      return
    } catch (error) {
      if (!(error instanceof XenApiError) || error.code !== 'MAP_DUPLICATE_KEY' || tries >= MAX_TRIES) throw error
    }
  }
}
