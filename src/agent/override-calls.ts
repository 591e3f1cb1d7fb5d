import { encodeOverride, OVERRIDE_KEY } from '../allowed-operations/index.ts'
import { PoolRefusal } from '../volume-plugin/index.ts'
import type { XenApiClient } from '../xapi-notify/index.ts'
import { askToolstack } from './ask-toolstack.ts'

/** How often another writer of the same override may come between before it is an error. */
const MAX_TRIES = 3

/**
 * The one host that is called so: by its UUID, its `hostname` or its `name_label`.
 * @throws PoolRefusal also when it is none, or several
 */
export async function findHost(
  client: XenApiClient,
  called: string,
  signal: AbortSignal,
): Promise<{ readonly ref: string; readonly uuid: string }> {
  const records = await askToolstack(client, 'host.get_all_records', [], signal)
  const found = Object.entries(typeof records === 'object' && records !== null ? records : {}).flatMap(
    ([ref, record]: [string, unknown]) => {
      const { uuid, hostname, name_label } = Object.fromEntries(Object.entries(record ?? {}))
      return [uuid, hostname, name_label].includes(called) ? [{ ref, uuid: String(uuid) }] : []
    },
  )
  const [host, another] = found
  if (host === undefined) throw new PoolRefusal('invalid', `no host of the pool is called ${called}`)
  if (another !== undefined)
    throw new PoolRefusal('invalid', `several hosts are called ${called}: name one by its UUID`)
  return host
}

/**
 * Writes the override of a host into the pool's database. XenAPI cannot replace a key of a map, so it is removed and added;
 * between the two there is no override: safe.
 * @param host ref
 * @throws PoolRefusal
 */
export async function writeOverride(
  client: XenApiClient,
  host: string,
  request: Parameters<typeof encodeOverride>[0],
  signal: AbortSignal,
): Promise<void> {
  const encoded = encodeOverride(request)
  if ('problem' in encoded) throw new PoolRefusal('invalid', `that is no override: ${encoded.problem}`)
  for (let tries = 1; ; tries += 1) {
    await removeOverride(client, host, signal)
    try {
      await askToolstack(client, 'host.add_to_other_config', [host, OVERRIDE_KEY, encoded.text], signal)
      return
    } catch (error) {
      const isTaken = error instanceof PoolRefusal && error.error?.[0] === 'MAP_DUPLICATE_KEY'
      if (!isTaken || tries >= MAX_TRIES) throw error
    }
  }
}

/** Does nothing if there is none. @param host ref; @throws PoolRefusal */
export async function removeOverride(client: XenApiClient, host: string, signal: AbortSignal): Promise<void> {
  await askToolstack(client, 'host.remove_from_other_config', [host, OVERRIDE_KEY], signal)
}
