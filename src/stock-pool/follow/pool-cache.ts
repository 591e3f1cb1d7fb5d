import { isDeepStrictEqual } from 'node:util'
import { isHostOperation } from '../../allowed-operations/pool/host-operation.ts'
import { decodeKnownPeers, KNOWN_PEERS_KEY } from '../../allowed-operations/pool/known-peers.ts'
import { decodeOverride, OVERRIDE_KEY } from '../../allowed-operations/pool/override.ts'
import {
  type CurrentOperation,
  type HostSnapshot,
  isGoingDown,
  type PbdSnapshot,
  type PoolSnapshot,
  type ReceivedReport,
  type SrSnapshot,
} from '../../allowed-operations/pool/pool-snapshot.ts'
import { epochMsOfSeconds } from '../../allowed-operations/pool/xapi-moments.ts'
import { HEALTH_CHECK_LABEL } from '../../allowed-operations/rules/stock-rules.ts'
import { ofRecord } from '../../platform/of-record.ts'
import { REPORT_KEY } from '../../sync-query/report/report.ts'
import { parseReport } from '../../sync-query/report/report-parse.ts'
import type { ToolstackEvent } from '../../xenapi-client/event-batch.ts'
import type { PoolChanges } from '../../xenapi-client/events.ts'
import { decodeHold, HOLD_KEY, type HoldMarker } from '../hold/hold-marker.ts'
import { type HostTrack, trackHost } from './host-track.ts'
import { flagField, listField, mapField, textField, type XapiRecord } from './xapi-record.ts'

/** The classes that a decision depends on, in the lower case of events. */
export const DECIDING_CLASSES = ['pool', 'host', 'host_metrics', 'sr', 'pbd'] as const

export interface StockTask {
  readonly ref: string
  readonly nameLabel: string
  readonly nameDescription: string
}

/** The fields of a host that tell which calls have begun and what they have done, as far as they were read. */
export interface CallFields {
  readonly current_operations: Readonly<Record<string, string>>
  readonly enabled?: boolean
  readonly allowed_operations?: readonly string[]
}

/** The text of a stored report, and when it was seen for the first time. */
interface StoredReport {
  readonly text: string
  readonly received: ReceivedReport
}

const SRS = new WeakMap<XapiRecord, SrSnapshot>()
const PBDS = new WeakMap<XapiRecord, PbdSnapshot>()

/**
 * The pool of an unmodified xapi, as events describe it. No I/O: `apply` takes in events, and the rest answers from them.
 *
 * A report counts as confirmed at the moment at which its text was seen to change: xapi does not store when a client wrote it.
 */
export class PoolCache {
  readonly #records = new Map<string, Map<string, XapiRecord>>()
  readonly #tracks = new Map<string, HostTrack>()
  /** By ref of the PBD. */
  readonly #reports = new Map<string, StoredReport>()
  #snapshot: PoolSnapshot | null = null

  /**
   * Takes in the changes of one answer of event.from.
   * @param classes that were followed; if `everything` changed, their other objects no longer exist
   * @returns whether a decision may depend on them. Each call to the toolstack makes and removes a task, and almost none matters.
   */
  apply({ everything, events }: PoolChanges, classes: readonly string[], now: number): boolean {
    const matters = everything || events.some(event => this.#matters(event))
    if (everything) for (const cls of classes) this.#records.delete(cls.toLowerCase())
    for (const { cls, ref, record } of events) {
      if (record === null) this.#of(cls).delete(ref)
      else this.#of(cls).set(ref, record)
    }
    if (!matters) return false
    this.#snapshot = null
    this.#followHosts(now)
    const pbds = everything ? this.#of('pbd').keys() : events.flatMap(({ cls, ref }) => (cls === 'pbd' ? [ref] : []))
    this.#followReports(pbds, now)
    return true
  }

  /**
   * Takes in the fields of a host that a call changes, read apart from the events.
   * @returns whether they differ from what was known
   */
  applyCallFields(host: string, fields: CallFields, now: number): boolean {
    const record = this.#of('host').get(host)
    if (record === undefined) return false
    if (Object.entries(fields).every(([field, value]) => isDeepStrictEqual(record[field], value))) return false
    this.#of('host').set(host, { ...record, ...fields })
    this.#snapshot = null
    this.#followHosts(now)
    return true
  }

  /** The pool, as input of the gate: the same object until something has changed. */
  snapshot(now: number): PoolSnapshot {
    if (this.#isAnyOrderPending()) {
      this.#snapshot = null
      this.#followHosts(now)
    }
    this.#snapshot ??= this.#read()
    return this.#snapshot
  }

  /** Ref of the pool; `''`: not known. */
  pool(): string {
    for (const ref of this.#of('pool').keys()) return ref
    return ''
  }

  /** Ref of the coordinator; `''`: not known. */
  coordinator(): string {
    for (const pool of this.#of('pool').values()) return textField(pool, 'master')
    return ''
  }

  tasks(): readonly StockTask[] {
    return Array.from(this.#of('task'), ([ref, task]) => ({
      ref,
      nameLabel: textField(task, 'name_label'),
      nameDescription: textField(task, 'name_description'),
    }))
  }

  /** Since when each host has an order to go down, by ref. */
  goingSinceMs(): ReadonlyMap<string, number> {
    return new Map(
      Array.from(this.#tracks).flatMap(([ref, { goingSinceMs }]) =>
        goingSinceMs === null ? [] : [[ref, goingSinceMs]],
      ),
    )
  }

  /** The holds in the pool's database, by ref of the host. */
  holds(): ReadonlyMap<string, HoldMarker> {
    return new Map(
      Array.from(this.#of('host')).flatMap(([ref, host]) => {
        const marker = decodeHold(mapField(host, 'other_config')[HOLD_KEY])
        return marker === null ? [] : [[ref, marker]]
      }),
    )
  }

  /** `pool.other_config`. */
  poolConfig(): Readonly<Record<string, string>> {
    for (const pool of this.#of('pool').values()) return mapField(pool, 'other_config')
    return {}
  }

  /** Tasks matter with the label of the health check, or as an operation of a host that they have begun. */
  #matters({ cls, ref, record }: ToolstackEvent): boolean {
    if (cls !== 'task') return true
    const known = this.#of('task').get(ref)
    if ([record, known].some(task => task != null && textField(task, 'name_label') === HEALTH_CHECK_LABEL)) return true
    return this.#of('host')
      .values()
      .some(host => Object.hasOwn(mapField(host, 'current_operations'), ref))
  }

  #of(cls: string): Map<string, XapiRecord> {
    let ofClass = this.#records.get(cls)
    if (ofClass === undefined) {
      ofClass = new Map()
      this.#records.set(cls, ofClass)
    }
    return ofClass
  }

  /** Compares the records with what is remembered of hosts. */
  #followHosts(now: number): void {
    const hosts = this.#of('host')
    for (const ref of this.#tracks.keys()) if (!hosts.has(ref)) this.#tracks.delete(ref)
    for (const [ref, host] of hosts) {
      const seen = {
        live: this.#live(host),
        bootTimeMs: bootTimeOf(host),
        enabled: flagField(host, 'enabled') === true,
        isGoingDown: isGoingDown({ currentOperations: operationsOf(host) }),
      }
      this.#tracks.set(ref, trackHost(this.#tracks.get(ref), seen, now))
    }
  }

  /** Compares the records of these PBDs, by ref, with what is remembered of their reports. Each push of a host changes one PBD. */
  #followReports(changed: Iterable<string>, now: number): void {
    const pbds = this.#of('pbd')
    for (const ref of this.#reports.keys()) if (!pbds.has(ref)) this.#reports.delete(ref)
    for (const ref of changed) {
      const pbd = pbds.get(ref) ?? {}
      const text = mapField(pbd, 'other_config')[REPORT_KEY]
      if (text === undefined) this.#reports.delete(ref)
      else if (this.#reports.get(ref)?.text !== text) {
        const receipt = { host: textField(pbd, 'host'), sr: textField(pbd, 'SR'), confirmedAtMs: now }
        this.#reports.set(ref, { text, received: { ...receipt, ...parseReport(text) } })
      }
    }
  }

  #isAnyOrderPending(): boolean {
    return this.#tracks.values().some(({ orderGoneSinceMs }) => orderGoneSinceMs !== null)
  }

  #live(host: XapiRecord): boolean | null {
    const metrics = this.#of('host_metrics').get(textField(host, 'metrics'))
    return metrics === undefined ? null : flagField(metrics, 'live')
  }

  #read(): PoolSnapshot {
    const hosts = [...this.#of('host')]
    return {
      hosts: hosts.map(([ref, host]) => this.#hostSnapshot(ref, host)),
      srs: Array.from(this.#of('sr'), ([ref, sr]) => ofRecord(SRS, sr, () => srSnapshot(ref, sr))),
      pbds: Array.from(this.#of('pbd'), ([ref, pbd]) => ofRecord(PBDS, pbd, () => pbdSnapshot(ref, pbd))),
      tasks: this.tasks(),
      reports: Array.from(this.#reports.values(), ({ received }) => received),
      overrides: hosts.flatMap(([ref, host]) => {
        const text = mapField(host, 'other_config')[OVERRIDE_KEY]
        return text === undefined ? [] : (decodeOverride(ref, text) ?? [])
      }),
      // Not visible to a client, and it decides only about power_on.
      powerOnPlugin: true,
      rollingUpgrade: Object.hasOwn(this.poolConfig(), 'rolling_upgrade_in_progress'),
    }
  }

  #hostSnapshot(ref: string, host: XapiRecord): HostSnapshot {
    const track = this.#tracks.get(ref)
    return {
      ref,
      uuid: textField(host, 'uuid'),
      hostname: textField(host, 'hostname'),
      nameLabel: textField(host, 'name_label'),
      enabled: flagField(host, 'enabled') === true,
      live: this.#live(host),
      liveSinceMs: track?.liveSinceMs ?? null,
      bootTimeMs: bootTimeOf(host),
      powerOnMode: textField(host, 'power_on_mode'),
      currentOperations: operationsOf(host),
      allowedOperations: listField(host, 'allowed_operations').filter(isHostOperation),
      leaving: track?.isLeaving ?? false,
    }
  }
}

function operationsOf(host: XapiRecord): readonly CurrentOperation[] {
  return Object.entries(mapField(host, 'current_operations')).flatMap(([task, operation]) =>
    isHostOperation(operation) ? [{ task, operation }] : [],
  )
}

function bootTimeOf(host: XapiRecord): number | null {
  return epochMsOfSeconds(mapField(host, 'other_config').boot_time)
}

function srSnapshot(ref: string, sr: XapiRecord): SrSnapshot {
  return {
    ref,
    uuid: textField(sr, 'uuid'),
    nameLabel: textField(sr, 'name_label'),
    clustered: flagField(sr, 'clustered') === true,
    type: textField(sr, 'type'),
    otherConfig: mapField(sr, 'other_config'),
  }
}

function pbdSnapshot(ref: string, pbd: XapiRecord): PbdSnapshot {
  const knownPeers = decodeKnownPeers(mapField(pbd, 'other_config')[KNOWN_PEERS_KEY])
  const snapshot = {
    ref,
    host: textField(pbd, 'host'),
    sr: textField(pbd, 'SR'),
    currentlyAttached: flagField(pbd, 'currently_attached') === true,
  }
  return knownPeers === null ? snapshot : { ...snapshot, knownPeers }
}
