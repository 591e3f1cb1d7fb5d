import { findByName } from '../../allowed-operations/pool/find-by-name.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { setOtherConfig } from '../../xenapi-client/other-config.ts'
import { flagField, mapField, textField } from '../follow/xapi-record.ts'
import { encodeReservation, RESERVATION_KEY, type Reservation, reservationInForce } from '../levers/reservation.ts'
import {
  readStockPool,
  readStockRecords,
  type StockHostName,
  type StockRecords,
  stockHostName,
} from './stock-records.ts'

/** A reservation with the name of its host. A host that has left the pool has its UUID as name. */
export interface NamedReservation {
  readonly host: StockHostName
  readonly by: string
  readonly expiresMs: number
}

/** The operand names no host, or several. */
interface HostNotFound {
  readonly outcome: 'not-found'
  /** The hosts that match; empty: none does. */
  readonly candidates: readonly string[]
  /** The names of all hosts. */
  readonly valid: readonly string[]
}

type ReserveOutcome =
  | HostNotFound
  | {
      readonly outcome: 'reserved'
      readonly reservation: NamedReservation
      /** The reservation that was in force for another host. */
      readonly replaced: NamedReservation | null
      /** xapi reboots no enabled host, and the reservation has an effect only when the host is disabled. */
      readonly isEnabled: boolean
      /** Other hosts that are disabled. The Task is pool-wide, so xapi accepts their reboot as well. */
      readonly alsoDisabled: readonly StockHostName[]
    }

type RemoveOutcome =
  | HostNotFound
  /** Nothing was removed: the reservation is for another host. */
  | { readonly outcome: 'of-another-host'; readonly host: StockHostName; readonly inForce: NamedReservation }
  /** `removed`: the reservation that was in force; `null`: none was. */
  | { readonly outcome: 'removed'; readonly removed: NamedReservation | null }

/** A user name from the environment may be of any length. */
const MAX_BY_LENGTH = 128

interface PoolAndHosts {
  /** Ref of the pool. */
  readonly pool: string
  readonly config: Readonly<Record<string, string>>
  readonly hosts: StockRecords
}

/**
 * Reserves the next reboot for a host: a second disabled host does not block it then. There is one reservation in a pool.
 * @param operand a UUID, a hostname or a name-label; @param now Unix time in milliseconds
 * @throws XenApiError, XenApiUnreachable: it is not known whether it was written
 */
export async function reserveHost(
  client: XenApiClient,
  operand: string,
  { by, forMs, now }: { readonly by: string; readonly forMs: number; readonly now: number },
): Promise<ReserveOutcome> {
  const { pool, config, hosts } = await readPoolAndHosts(client)
  const found = findHost(operand, hosts)
  if (!('uuid' in found)) return found
  const before = namedReservation(config, hosts, now)
  const reservation = { host: found.uuid, by: by.slice(0, MAX_BY_LENGTH), expiresMs: now + forMs }
  await setOtherConfig(client, 'pool', pool, RESERVATION_KEY, encodeReservation(reservation))
  const others = [...hosts.values()].filter(host => textField(host, 'uuid') !== found.uuid)
  return {
    outcome: 'reserved',
    reservation: named(reservation, hosts),
    replaced: before === null || before.host.uuid === found.uuid ? null : before,
    isEnabled: found.isEnabled,
    alsoDisabled: others.filter(host => flagField(host, 'enabled') !== true).map(stockHostName),
  }
}

/**
 * Removes the reservation.
 * @param operand `undefined`: of whatever host
 * @throws XenApiError, XenApiUnreachable: it is not known whether it was removed
 */
export async function removeReservation(
  client: XenApiClient,
  operand: string | undefined,
  now: number,
): Promise<RemoveOutcome> {
  const { pool, config, hosts } = await readPoolAndHosts(client)
  const inForce = namedReservation(config, hosts, now)
  if (operand !== undefined) {
    const found = findHost(operand, hosts)
    if (!('uuid' in found)) return found
    if (inForce !== null && inForce.host.uuid !== found.uuid) {
      return { outcome: 'of-another-host', host: { uuid: found.uuid, name: found.name }, inForce }
    }
  }
  // Also one that has expired or cannot be read.
  await client.call('pool.remove_from_other_config', [pool, RESERVATION_KEY])
  return { outcome: 'removed', removed: inForce }
}

/** The reservation in force, with the name of its host. */
function namedReservation(
  poolConfig: Readonly<Record<string, string>>,
  hosts: StockRecords,
  now: number,
): NamedReservation | null {
  const inForce = reservationInForce(poolConfig[RESERVATION_KEY], now)
  return inForce === null ? null : named(inForce, hosts)
}

function named({ host: uuid, by, expiresMs }: Reservation, hosts: StockRecords): NamedReservation {
  const host = [...hosts.values()].map(stockHostName).find(each => each.uuid === uuid)
  return { host: host ?? { uuid, name: uuid }, by, expiresMs }
}

async function readPoolAndHosts(client: XenApiClient): Promise<PoolAndHosts> {
  const [{ ref: pool, record }, hosts] = await Promise.all([readStockPool(client), readStockRecords(client, 'host')])
  return { pool, config: mapField(record, 'other_config'), hosts }
}

function findHost(
  operand: string,
  hosts: StockRecords,
): (StockHostName & { readonly isEnabled: boolean }) | HostNotFound {
  const all = Array.from(hosts.values(), host => ({
    ...stockHostName(host),
    names: [textField(host, 'name_label'), textField(host, 'hostname')],
    isEnabled: flagField(host, 'enabled') === true,
  }))
  const found = findByName(operand, all, host => host)
  if (found.ok) return found.value
  return { outcome: 'not-found', candidates: found.candidates, valid: [...new Set(all.map(({ name }) => name))] }
}
