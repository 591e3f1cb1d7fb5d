import { randomUUID } from 'node:crypto'
import type { Database } from '../database/database.ts'
import { newHost, newHostMetrics, newPbd, newSr } from '../database/new-record.ts'
import type { HostRecord, SrRecord, StringMap } from '../database/records.ts'
import { xapiDateTime, xapiEpochSeconds } from '../database/xapi-datetime.ts'

/** A host to add: fields of its record, and its state at that moment. */
export type NewHost = Partial<Omit<HostRecord, 'metrics' | 'PBDs'>> & {
  readonly hostname: string
  /** Default true. */
  readonly live?: boolean
  /** Start of its kernel, by the clock of the host. Default: now. */
  readonly bootTimeMs?: number
}

/** Adds a host with its host_metrics, enabled by default if it is live, and returns its ref. */
export function addHost(db: Database, nowMs: number, { live = true, bootTimeMs = nowMs, ...given }: NewHost): string {
  const last_updated = xapiDateTime(nowMs)
  const metrics = db.create('host_metrics', newHostMetrics({ uuid: randomUUID(), live, last_updated }))
  const times = { boot_time: xapiEpochSeconds(bootTimeMs), agent_start_time: xapiEpochSeconds(nowMs) }
  const defaults = { uuid: randomUUID(), name_label: given.hostname, enabled: live }
  return db.create(
    'host',
    newHost({ ...defaults, ...given, metrics, other_config: { ...times, ...given.other_config } }),
  )
}

export type NewSr = Partial<Omit<SrRecord, 'PBDs'>>

/** Adds an SR and returns its ref. */
export function addSr(db: Database, given: NewSr): string {
  return db.create('SR', newSr({ uuid: randomUUID(), ...given }))
}

export interface NewPbd {
  /** Ref of the host. */
  readonly host: string
  /** Ref of the SR. */
  readonly sr: string
  readonly attached: boolean
  readonly device_config?: StringMap
  readonly other_config?: StringMap
}

/** Connects a host to an SR and returns the ref of the PBD. */
export function addPbd(db: Database, { host, sr, attached, ...given }: NewPbd): string {
  const record = newPbd({ uuid: randomUUID(), host, SR: sr, currently_attached: attached, ...given })
  const pbd = db.create('PBD', record)
  db.update('host', host, { PBDs: [...(db.get('host', host)?.PBDs ?? []), pbd] })
  db.update('SR', sr, { PBDs: [...(db.get('SR', sr)?.PBDs ?? []), pbd] })
  return pbd
}

/** Removes a PBD, also from the lists of its host and its SR. */
export function removePbd(db: Database, ref: string): void {
  const pbd = db.get('PBD', ref)
  if (pbd === undefined) return
  db.delete('PBD', ref)
  db.update('host', pbd.host, { PBDs: (db.get('host', pbd.host)?.PBDs ?? []).filter(one => one !== ref) })
  db.update('SR', pbd.SR, { PBDs: (db.get('SR', pbd.SR)?.PBDs ?? []).filter(one => one !== ref) })
}

/** Removes an SR and its PBDs. */
export function removeSr(db: Database, ref: string): void {
  for (const [pbd, { SR }] of db.list('PBD')) if (SR === ref) removePbd(db, pbd)
  db.delete('SR', ref)
}

/** Removes a host, its PBDs and its metrics. */
export function removeHost(db: Database, ref: string): void {
  const host = db.get('host', ref)
  if (host === undefined) return
  for (const pbd of host.PBDs) removePbd(db, pbd)
  db.delete('host', ref)
  db.delete('host_metrics', host.metrics)
}
