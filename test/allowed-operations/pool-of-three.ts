import { decide } from '../../src/allowed-operations/decide.ts'
import type { GatePolicy } from '../../src/allowed-operations/pool/gate-policy.ts'
import { DEFAULT_POLICY } from '../../src/allowed-operations/pool/gate-policy.ts'
import type {
  CurrentOperation,
  HostSnapshot,
  PoolSnapshot,
  ReceivedReport,
  SrSnapshot,
} from '../../src/allowed-operations/pool/pool-snapshot.ts'
import type { GateReason } from '../../src/allowed-operations/reason/gate-reason.ts'
import { canReboot } from '../../src/allowed-operations/rules/storage-rule.ts'
import type { Report } from '../../src/sync-query/report/report.ts'

export const NOW = Date.parse('2026-11-22T16:00:00Z')
export const MINUTE_MS = 60_000

export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

/** A live, disabled host that came back ten minutes ago: only the storage rule can block its reboot. */
export function host(ref: string, changes: Partial<HostSnapshot> = {}): HostSnapshot {
  return {
    ref,
    uuid: `uuid-${ref}`,
    hostname: `host-${ref}`,
    enabled: false,
    live: true,
    liveSinceMs: NOW - 10 * MINUTE_MS,
    bootTimeMs: NOW - 12 * MINUTE_MS,
    powerOnMode: '',
    currentOperations: [],
    allowedOperations: [],
    leaving: false,
    ...changes,
  }
}

export function report(hostRef: string, changes: Partial<Report> = {}): Report {
  return {
    schema: 1,
    host: `uuid-${hostRef}`,
    sr: 'uuid-sr',
    bootId: 'boot-2',
    seq: 10,
    at: iso(NOW - 30_000),
    state: 'synced',
    since: iso(NOW - 5 * MINUTE_MS),
    mirrors: { synced: 3, resyncing: 0, degraded: 0, unknown: 0 },
    outOfSyncBytes: 0,
    progress: null,
    etaSeconds: null,
    reasons: [],
    ...changes,
  }
}

export const RESYNCING = {
  state: 'resyncing',
  mirrors: { synced: 2, resyncing: 1, degraded: 0, unknown: 0 },
  outOfSyncBytes: 4096,
  progress: 0.4,
} as const satisfies Partial<Report>

export const DEGRADED = {
  state: 'degraded',
  mirrors: { synced: 2, resyncing: 0, degraded: 1, unknown: 0 },
} as const satisfies Partial<Report>

export function received(hostRef: string, changes: Partial<Report> = {}, confirmedAtMs = NOW - 10_000): ReceivedReport {
  return { host: hostRef, sr: 'sr', confirmedAtMs, report: report(hostRef, changes) }
}

export const SR: SrSnapshot = { ref: 'sr', uuid: 'uuid-sr', clustered: true }

/** Hosts a, b and c share an aggregated SR and are in sync; d is in the pool and not in the SR. */
export function pool(changes: Partial<PoolSnapshot> = {}): PoolSnapshot {
  return {
    hosts: ['a', 'b', 'c', 'd'].map(ref => host(ref)),
    srs: [SR],
    pbds: ['a', 'b', 'c'].map(ref => ({ ref: `pbd-${ref}`, host: ref, sr: 'sr', currentlyAttached: true })),
    tasks: [],
    reports: ['a', 'b', 'c'].map(ref => received(ref)),
    overrides: [],
    powerOnPlugin: true,
    rollingUpgrade: false,
    ...changes,
  }
}

export function withHost(from: PoolSnapshot, ref: string, changes: Partial<HostSnapshot>): PoolSnapshot {
  return { ...from, hosts: from.hosts.map(each => (each.ref === ref ? { ...each, ...changes } : each)) }
}

/** The pool after a host began an operation, as the caller of an accepted claim writes it. */
export function withOperation(from: PoolSnapshot, ref: string, operation: CurrentOperation): PoolSnapshot {
  const hosts = from.hosts.map(each =>
    each.ref === ref ? { ...each, currentOperations: [operation, ...each.currentOperations] } : each,
  )
  return { ...from, hosts }
}

/** Replaces everything that was reported by the hosts of these reports. */
export function withReports(from: PoolSnapshot, ...reports: readonly ReceivedReport[]): PoolSnapshot {
  const hosts = new Set(reports.map(each => each.host))
  return { ...from, reports: [...from.reports.filter(each => !hosts.has(each.host)), ...reports] }
}

export function withoutReportOf(from: PoolSnapshot, ref: string): PoolSnapshot {
  return { ...from, reports: from.reports.filter(each => each.host !== ref) }
}

export const PLACEMENT: GatePolicy = { ...DEFAULT_POLICY, kind: 'placement' }

/** The hosts that may reboot. */
export function mayReboot(of: PoolSnapshot, policy: GatePolicy = DEFAULT_POLICY, now = NOW): string {
  const verdicts = [...decide(of, policy, now)]
  return verdicts.flatMap(([ref, table]) => (table.reboot.allowed ? ref : [])).join(' ')
}

export function reasonsOf(of: PoolSnapshot, ref: string, policy: GatePolicy = DEFAULT_POLICY, now = NOW) {
  return decide(of, policy, now).get(ref)?.reboot.reasons ?? []
}

/** `code@host` of each reason, the short form that tables of cases compare. */
export function codes(reasons: readonly GateReason[]): string {
  return reasons.map(({ code, host }) => `${code}@${host}`).join(' ')
}

export function mayGoTogether(of: PoolSnapshot, refs: readonly string[], policy: GatePolicy = PLACEMENT): string {
  const { ok, reasons } = canReboot(of, policy, NOW, new Set(refs))
  return ok ? 'yes' : codes(reasons)
}
