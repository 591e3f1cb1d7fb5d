import { firstName } from '../../allowed-operations/pool/find-by-name.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { XenApiUnreachable } from '../../xenapi-client/errors.ts'
import { textField, type XapiRecord } from '../follow/xapi-record.ts'

/** A person waits for the answer. */
const CALL_TIMEOUT_MS = 10_000

/** Records of one class, by ref. */
export type StockRecords = ReadonlyMap<string, XapiRecord>

/** A host, by UUID and by name. */
export interface StockHostName {
  readonly uuid: string
  readonly name: string
}

/** @param cls as in the names of methods (`SR`); @throws XenApiError, XenApiUnreachable */
export async function readStockRecords(client: XenApiClient, cls: string): Promise<StockRecords> {
  const answer = await client.call(`${cls}.get_all_records`, [], { timeoutMs: CALL_TIMEOUT_MS })
  if (typeof answer !== 'object' || answer === null) {
    throw new XenApiUnreachable(`${cls}.get_all_records did not answer with records`)
  }
  return new Map(
    Object.entries(answer).filter((entry): entry is [string, XapiRecord] => {
      return typeof entry[1] === 'object' && entry[1] !== null
    }),
  )
}

/** The record of the pool. @throws XenApiError, XenApiUnreachable */
export async function readStockPool(
  client: XenApiClient,
): Promise<{ readonly ref: string; readonly record: XapiRecord }> {
  for (const [ref, record] of await readStockRecords(client, 'pool')) return { ref, record }
  throw new XenApiUnreachable('the toolstack has no pool')
}

export function stockHostName(host: XapiRecord): StockHostName {
  const uuid = textField(host, 'uuid')
  return { uuid, name: firstName(textField(host, 'name_label'), textField(host, 'hostname'), uuid) }
}
