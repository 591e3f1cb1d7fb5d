import { isHostOperation } from '../allowed-operations/pool/host-operation.ts'
import { decodeKnownPeers, KNOWN_PEERS_KEY } from '../allowed-operations/pool/known-peers.ts'
import { decodeOverride, OVERRIDE_KEY } from '../allowed-operations/pool/override.ts'
import type {
  HostSnapshot,
  Override,
  PbdSnapshot,
  PoolSnapshot,
  ReceivedReport,
  SrSnapshot,
  TaskSnapshot,
} from '../allowed-operations/pool/pool-snapshot.ts'
import { epochMsOfSeconds } from '../allowed-operations/pool/xapi-moments.ts'
import { ofRecord } from '../platform/of-record.ts'
import { REPORT_KEY } from '../sync-query/report/report.ts'
import { parseReport } from '../sync-query/report/report-parse.ts'
import type { Database } from './database/database.ts'
import type { HostRecord, PbdRecord, SrRecord, TaskRecord } from './database/records.ts'
import type { ChangedSeqs } from './hosts/changed-seqs.ts'
import type { HostMemory } from './hosts/host-memory.ts'
import type { ReportTimes } from './hosts/report-times.ts'

export interface SnapshotSources {
  readonly db: Database
  readonly reportTimes: ReportTimes
  readonly changedSeqs: ChangedSeqs
  readonly memory: (hostRef: string) => HostMemory
  readonly powerOnPlugin: boolean
}

/**
 * Builds the input of the gate: immutable data. The caller adds the reports that were polled.
 *
 * A record never changes, so each part is cached with its record: a snapshot costs only what is new since the last one, and
 * unchanged parts are the same objects in both.
 */
export function takeSnapshot(sources: SnapshotSources): PoolSnapshot {
  const { db, reportTimes, changedSeqs, powerOnPlugin } = sources
  const hosts = db.list('host')
  const pbds = db.list('PBD')
  return {
    hosts: hosts.map(([ref, host]) => hostSnapshot(ref, host, sources)),
    srs: db.list('SR').map(([ref, sr]) => ofRecord(SRS, sr, () => srSnapshot(ref, sr))),
    pbds: pbds.map(([ref, pbd]) => ofRecord(PBDS, pbd, () => pbdSnapshot(ref, pbd))),
    tasks: db.list('task').map(([ref, task]) => ofRecord(TASKS, task, () => taskSnapshot(ref, task))),
    reports: pbds.flatMap(([ref, pbd]) => reportOf(pbd, reportTimes.writtenAtMs(ref)) ?? []),
    overrides: hosts.flatMap(([ref, host]) => ofRecord(OVERRIDES, host, () => overrideOf(ref, host)) ?? []),
    changedSeqs,
    powerOnPlugin,
    rollingUpgrade: db.list('pool').some(([, pool]) => Object.hasOwn(pool.other_config, 'rolling_upgrade_in_progress')),
  }
}

const HOSTS = new WeakMap<HostRecord, { readonly live: boolean | null; memory: HostMemory; snapshot: HostSnapshot }>()
const SRS = new WeakMap<SrRecord, SrSnapshot>()
const PBDS = new WeakMap<PbdRecord, PbdSnapshot>()
const TASKS = new WeakMap<TaskRecord, TaskSnapshot>()
const OVERRIDES = new WeakMap<HostRecord, Override | null>()
const REPORTS = new WeakMap<PbdRecord, ReceivedReport>()

function hostSnapshot(ref: string, host: HostRecord, { db, memory: memoryOf }: SnapshotSources): HostSnapshot {
  const live = db.get('host_metrics', host.metrics)?.live ?? null
  const memory = memoryOf(ref)
  const known = HOSTS.get(host)
  if (known !== undefined && known.live === live && known.memory === memory) return known.snapshot
  const snapshot = {
    ref,
    uuid: host.uuid,
    hostname: host.hostname,
    nameLabel: host.name_label,
    enabled: host.enabled,
    live,
    liveSinceMs: memory.liveSinceMs,
    bootTimeMs: epochMsOfSeconds(host.other_config.boot_time),
    ...(memory.bootId === null ? {} : { bootId: memory.bootId }),
    powerOnMode: host.power_on_mode,
    currentOperations: Object.entries(host.current_operations)
      .flatMap(([task, operation]) => (isHostOperation(operation) ? [{ task, operation }] : []))
      .reverse(),
    allowedOperations: host.allowed_operations.filter(isHostOperation),
    leaving: memory.toldAtMs !== null,
    ...(memory.toldTo === null ? {} : { toldTo: memory.toldTo }),
    ...(memory.stillHere ? { stillHere: true } : {}),
  }
  HOSTS.set(host, { live, memory, snapshot })
  return snapshot
}

function srSnapshot(ref: string, sr: SrRecord): SrSnapshot {
  return {
    ref,
    uuid: sr.uuid,
    nameLabel: sr.name_label,
    clustered: sr.clustered,
    type: sr.type,
    otherConfig: sr.other_config,
  }
}

function pbdSnapshot(ref: string, pbd: PbdRecord): PbdSnapshot {
  const knownPeers = decodeKnownPeers(pbd.other_config[KNOWN_PEERS_KEY])
  const snapshot = { ref, host: pbd.host, sr: pbd.SR, currentlyAttached: pbd.currently_attached }
  return knownPeers === null ? snapshot : { ...snapshot, knownPeers }
}

function taskSnapshot(ref: string, task: TaskRecord): TaskSnapshot & { readonly ref: string } {
  return { ref, nameLabel: task.name_label, nameDescription: task.name_description }
}

function overrideOf(ref: string, host: HostRecord): Override | null {
  const text = host.other_config[OVERRIDE_KEY]
  return text === undefined ? null : decodeOverride(ref, text)
}

/** `null` for a report that was not written in this run: the time of its confirmation is unknown. */
function reportOf(pbd: PbdRecord, confirmedAtMs: number | null): ReceivedReport | null {
  const text = pbd.other_config[REPORT_KEY]
  if (text === undefined || confirmedAtMs === null) return null
  const known = REPORTS.get(pbd)
  if (known !== undefined && known.confirmedAtMs === confirmedAtMs) return known
  const received = { host: pbd.host, sr: pbd.SR, confirmedAtMs, ...parseReport(text) }
  REPORTS.set(pbd, received)
  return received
}
