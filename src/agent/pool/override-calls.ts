import { PoolRefusal } from '../../agent-api/pool-methods.ts'
import { findByName, hostNotFound } from '../../allowed-operations/pool/find-by-name.ts'
import { encodeOverride, OVERRIDE_KEY } from '../../allowed-operations/pool/override.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { setOtherConfig } from '../../xenapi-client/other-config.ts'
import { askToolstack, CALL_TIMEOUT_MS, refusalsOf } from './ask-toolstack.ts'

/**
 * Finds the host with this UUID or name (`findByName`).
 * @throws PoolRefusal also if there is none or more than one
 */
export async function findHost(
  client: XenApiClient,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly ref: string; readonly uuid: string }> {
  const records = await askToolstack(client, 'host.get_all_records', [], signal)
  const hosts = Object.entries(typeof records === 'object' && records !== null ? records : {}).map(
    ([ref, record]: [string, unknown]) => {
      const { uuid, hostname, name_label } = Object.fromEntries(Object.entries(record ?? {}))
      return { ref, uuid: String(uuid), names: [name_label, hostname].filter(name => typeof name === 'string') }
    },
  )
  const found = findByName(name, hosts, host => host)
  if (!found.ok) throw new PoolRefusal('invalid', hostNotFound(name, found.candidates))
  return found.value
}

/**
 * Writes the override of a host into the pool's database. While it is being replaced there is no override, which blocks.
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
  if ('problem' in encoded) throw new PoolRefusal('invalid', `the override is invalid: ${encoded.problem}`)
  const options = { signal, timeoutMs: CALL_TIMEOUT_MS }
  await refusalsOf(setOtherConfig(client, 'host', host, OVERRIDE_KEY, encoded.text, options))
}

/** Removes the override of a host, if there is one. @param host ref; @throws PoolRefusal */
export async function removeOverride(client: XenApiClient, host: string, signal: AbortSignal): Promise<void> {
  await askToolstack(client, 'host.remove_from_other_config', [host, OVERRIDE_KEY], signal)
}
