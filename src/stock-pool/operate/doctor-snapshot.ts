import { GUARD_KEY } from '../../allowed-operations/pool/guard-heartbeat.ts'
import type { PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import { epochMsOf } from '../../allowed-operations/pool/xapi-moments.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { XenApiError, XenApiUnreachable } from '../../xenapi-client/errors.ts'
import { PoolCache } from '../follow/pool-cache.ts'
import { mapField, textField, type XapiRecord } from '../follow/xapi-record.ts'
import { readStockPool, readStockRecords, type StockRecords } from './stock-records.ts'

/** What `doctor` knows of a pool of unmodified toolstacks, read once. Maps are by ref. */
export interface DoctorSnapshot {
  /** Unix time in milliseconds by the clock of the coordinator, or of this machine if the coordinator does not answer. */
  readonly nowMs: number
  readonly pool: PoolSnapshot
  /** Refs. */
  readonly coordinator: string
  readonly defaultSr: string
  readonly poolConfig: Readonly<Record<string, string>>
  /** `content_type` of the SRs. */
  readonly contentTypes: ReadonlyMap<string, string>
  /** The version of xapi of the hosts, such as `25.31.0`; `''`: not stated. */
  readonly xapiVersions: ReadonlyMap<string, string>
  /** How far the clocks of the hosts that have answered are ahead of this machine's, in milliseconds. */
  readonly clocksAheadMs: ReadonlyMap<string, number>
}

const CLASSES = ['pool', 'host', 'host_metrics', 'SR', 'PBD', 'task'] as const
/** While the guard replaces its heartbeat, the key is absent for some milliseconds. */
const ABSENCE_GRACE_MS = 1_000
const CLOCK_TIMEOUT_MS = 5_000
/** A slower answer says too little about the clock. */
const MAX_ROUND_TRIP_MS = 2_000

/** @throws XenApiError, XenApiUnreachable */
export async function readDoctorSnapshot(client: XenApiClient, clock: Clock): Promise<DoctorSnapshot> {
  const { record: before } = await readStockPool(client)
  if (GUARD_KEY in mapField(before, 'other_config')) return readRest(client, clock, before)
  await sleep(clock, ABSENCE_GRACE_MS)
  return readRest(client, clock, (await readStockPool(client)).record)
}

async function readRest(client: XenApiClient, clock: Clock, pool: XapiRecord): Promise<DoctorSnapshot> {
  const all = await Promise.all(CLASSES.map(async cls => [cls, await readStockRecords(client, cls)] as const))
  const cache = new PoolCache()
  const events = all.flatMap(([cls, records]) =>
    Array.from(records, ([ref, record]) => ({ cls: cls.toLowerCase(), operation: 'add' as const, ref, record })),
  )
  cache.apply({ everything: true, events }, CLASSES, clock.now())
  const snapshot = cache.snapshot(clock.now())
  const of = (cls: string): StockRecords => all.find(([each]) => each === cls)?.[1] ?? new Map()
  const live = snapshot.hosts.filter(host => host.live === true).map(({ ref }) => ref)
  const clocks = await Promise.all(live.map(async ref => [ref, await clockAhead(client, clock, ref)] as const))
  const clocksAheadMs = new Map(clocks.flatMap(([ref, ms]) => (ms === null ? [] : [[ref, ms] as const])))
  const coordinator = textField(pool, 'master')
  return {
    nowMs: clock.now() + (clocksAheadMs.get(coordinator) ?? 0),
    pool: snapshot,
    coordinator,
    defaultSr: textField(pool, 'default_SR'),
    poolConfig: mapField(pool, 'other_config'),
    contentTypes: new Map(Array.from(of('SR'), ([ref, sr]) => [ref, textField(sr, 'content_type')])),
    xapiVersions: new Map(Array.from(of('host'), ([ref, host]) => [ref, versionOf(host)])),
    clocksAheadMs,
  }
}

/** `null`: the host does not answer, or too late. Exact to about a second, as the toolstack's answer. */
async function clockAhead(client: XenApiClient, clock: Clock, host: string): Promise<number | null> {
  const sentAtMs = clock.now()
  try {
    const answer = await client.call('host.get_servertime', [host], { timeoutMs: CLOCK_TIMEOUT_MS })
    const answeredAtMs = clock.now()
    const atMs = epochMsOf(String(answer))
    if (atMs === null || answeredAtMs - sentAtMs > MAX_ROUND_TRIP_MS) return null
    // The toolstack cuts fractions of a second off.
    return atMs + 500 - (sentAtMs + answeredAtMs) / 2
  } catch (error) {
    if (error instanceof XenApiError || error instanceof XenApiUnreachable) return null
    throw error
  }
}

/** `xapi` is the version of the API in older toolstacks, and `xapi_build` that of the program. */
function versionOf(host: XapiRecord): string {
  const { xapi_build, xapi = '' } = mapField(host, 'software_version')
  return xapi_build ?? xapi
}
