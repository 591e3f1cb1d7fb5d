import { isHostOperation } from '../allowed-operations/host-operation.ts'
import type { HostSnapshot, PoolSnapshot, ReceivedReport } from '../allowed-operations/pool-snapshot.ts'
import { REPORT_KEY } from '../sync-query/report.ts'
import { parseReport } from '../sync-query/report-parse.ts'
import type { Database } from './database.ts'
import type { HostMemory } from './host-operations.ts'
import type { HostRecord, PbdRecord } from './records.ts'
import type { ReportTimes } from './report-times.ts'

export interface SnapshotSources {
  readonly db: Database
  readonly reportTimes: ReportTimes
  readonly memory: (hostRef: string) => HostMemory
  readonly powerOnPlugin: boolean
}

/**
 * The pool as the gate wants it: plain data, nothing shared with the database that could change. Overrides and what was
 * learned by polling are the asker's to add.
 */
export function takeSnapshot(sources: SnapshotSources): PoolSnapshot {
  const { db, reportTimes, powerOnPlugin } = sources
  const pbds = db.list('PBD')
  return {
    hosts: db.list('host').map(([ref, host]) => hostSnapshot(ref, host, sources)),
    srs: db.list('SR').map(([ref, sr]) => ({
      ref,
      uuid: sr.uuid,
      clustered: sr.clustered,
      type: sr.type,
      otherConfig: { ...sr.other_config },
    })),
    pbds: pbds.map(([ref, pbd]) => ({ ref, host: pbd.host, sr: pbd.SR, currentlyAttached: pbd.currently_attached })),
    tasks: db.list('task').map(([ref, task]) => ({
      ref,
      nameLabel: task.name_label,
      nameDescription: task.name_description,
    })),
    reports: pbds.flatMap(([ref, pbd]) => reportOf(pbd, reportTimes.writtenAtMs(ref))),
    overrides: [],
    powerOnPlugin,
    rollingUpgrade: db.list('pool').some(([, pool]) => Object.hasOwn(pool.other_config, 'rolling_upgrade_in_progress')),
  }
}

function hostSnapshot(ref: string, host: HostRecord, { db, memory }: SnapshotSources): HostSnapshot {
  const { leaving, liveSinceMs } = memory(ref)
  return {
    ref,
    uuid: host.uuid,
    hostname: host.hostname,
    nameLabel: host.name_label,
    enabled: host.enabled,
    live: db.get('host_metrics', host.metrics)?.live ?? null,
    liveSinceMs,
    bootTimeMs: epochMs(host.other_config.boot_time),
    powerOnMode: host.power_on_mode,
    currentOperations: Object.entries(host.current_operations)
      .flatMap(([task, operation]) => (isHostOperation(operation) ? [{ task, operation }] : []))
      .reverse(),
    allowedOperations: host.allowed_operations.filter(isHostOperation),
    clusterHostEnabled: null,
    leaving,
  }
}

/** A record never changes, so what its report reads as is kept with it: reading 64 hosts' reports anew takes long. */
const READ_REPORTS = new WeakMap<PbdRecord, ReturnType<typeof parseReport>>()

/** A report that was there before this run, and so was never seen written, was confirmed at no known time: it is left out. */
function reportOf(pbd: PbdRecord, confirmedAtMs: number | null): ReceivedReport[] {
  const text = pbd.other_config[REPORT_KEY]
  if (text === undefined || confirmedAtMs === null) return []
  const read = READ_REPORTS.get(pbd) ?? parseReport(text)
  READ_REPORTS.set(pbd, read)
  return [{ host: pbd.host, sr: pbd.SR, confirmedAtMs, ...read }]
}

function epochMs(seconds: string | undefined): number | null {
  const value = seconds === undefined || seconds.trim() === '' ? Number.NaN : Number(seconds)
  return Number.isFinite(value) ? value * 1000 : null
}
