import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { HostVerdicts } from '../allowed-operations/decide.ts'
import type { GatePolicy } from '../allowed-operations/pool/gate-policy.ts'
import { STORAGE_OPERATIONS } from '../allowed-operations/pool/host-operation.ts'
import { overrideInForce } from '../allowed-operations/pool/override.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { hostName } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason, GateReasonCode } from '../allowed-operations/reason/gate-reason.ts'
import { countCodes } from '../platform/count-codes.ts'
import type { Exposition } from './exposition.ts'
import { labelValue } from './series-value.ts'

/** The gate's view of the pool at one moment. */
export interface GateSnapshot {
  /** Unix time in milliseconds. */
  readonly atMs: number
  /** The input of the verdicts, including remembered reports. */
  readonly pool: Pick<PoolSnapshot, 'hosts' | 'srs' | 'reports' | 'overrides'>
  /** By ref of the host. */
  readonly verdicts: ReadonlyMap<string, HostVerdicts>
  readonly policy: Pick<GatePolicy, 'clockSkewMs'>
}

const MAX_REFUSED_KINDS = 200

type Counts = ReadonlyMap<GateReasonCode, number>
type CodesByHost = Map<string, Set<GateReasonCode>>

/**
 * The metrics of a pool's gate. Hosts and SRs are named by UUID. Levels are rebuilt at each scrape, so no series of a removed host or
 * SR remains.
 */
export class GateMetrics implements Exposition {
  readonly #registry = new Registry()
  readonly #snapshot: () => GateSnapshot
  /** The codes that have ever blocked each host, by ref. Their series stay as long as the host is in the pool. */
  readonly #codes: CodesByHost = new Map()
  /** The codes of reasons that named each host, by ref, likewise. */
  readonly #codesAbout: CodesByHost = new Map()
  readonly #blocked: Gauge<'host' | 'operation'>
  readonly #reasons: Gauge<'host' | 'operation' | 'code'>
  readonly #reasonsAbout: Gauge<'host' | 'code'>
  readonly #hostInfo: Gauge<'host' | 'name'>
  readonly #srInfo: Gauge<'sr' | 'name'>
  readonly #override: Gauge<'host'>
  readonly #overrides: Gauge
  readonly #reportAge: Gauge<'host' | 'sr'>
  readonly #recomputations: Histogram
  readonly #polls: Counter<'outcome'>
  readonly #refused: Counter<'method' | 'error'>
  /** The existing pairs of labels. */
  readonly #refusedKinds = new Set<string>()

  constructor({ snapshot }: { readonly snapshot: () => GateSnapshot }) {
    this.#snapshot = snapshot
    const registers = [this.#registry]
    this.#blocked = new Gauge({
      name: 'resync_monitor_gate_blocked',
      help: '1 while storage blocks the operation of the host. 0 otherwise, or while an override allows it.',
      labelNames: ['host', 'operation'],
      registers,
    })
    this.#reasons = new Gauge({
      name: 'resync_monitor_gate_reasons',
      help: 'Storage reasons against the operation of the host, by code. An override removes none, and the reason of an expired override counts, too; gate_blocked shows whether the operation is blocked.',
      labelNames: ['host', 'operation', 'code'],
      registers,
    })
    this.#reasonsAbout = new Gauge({
      name: 'resync_monitor_gate_reasons_about',
      help: 'SRs with a reason that names this host, whichever hosts it blocks.',
      labelNames: ['host', 'code'],
      registers,
    })
    this.#hostInfo = new Gauge({
      name: 'resync_monitor_host_info',
      help: '1, with the name of the host, to join on host.',
      labelNames: ['host', 'name'],
      registers,
    })
    this.#srInfo = new Gauge({
      name: 'resync_monitor_sr_info',
      help: '1, with the name of the SR, to join on sr. Absent if the SR has no name.',
      labelNames: ['sr', 'name'],
      registers,
    })
    this.#override = new Gauge({
      name: 'resync_monitor_gate_override_active',
      help: '1 while an override allows the operations of the host.',
      labelNames: ['host'],
      registers,
    })
    this.#overrides = new Gauge({
      name: 'resync_monitor_gate_overrides_active',
      help: 'Hosts of the pool with an override in force.',
      registers,
    })
    this.#reportAge = new Gauge({
      name: 'resync_monitor_gate_report_age_seconds',
      help: 'Seconds since the host last confirmed its report of the SR. Absent if there is no report.',
      labelNames: ['host', 'sr'],
      registers,
    })
    this.#recomputations = new Histogram({
      name: 'resync_monitor_gate_recompute_duration_seconds',
      help: 'Duration of a computation of host.allowed_operations of all hosts.',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1],
      registers,
    })
    this.#polls = new Counter({
      name: 'resync_monitor_gate_polls_total',
      help: 'Polls of hosts for their reports, by outcome.',
      labelNames: ['outcome'],
      registers,
    })
    for (const outcome of ['answered', 'failed']) this.#polls.inc({ outcome }, 0)
    this.#refused = new Counter({
      name: 'resync_monitor_gate_calls_refused_total',
      help: 'XenAPI calls that were answered with an error. Beyond 200 pairs of labels, further calls count as other.',
      labelNames: ['method', 'error'],
      registers,
    })
    for (const method of ['host.reboot', 'host.shutdown']) this.refused(method, 'CLUSTERED_SR_DEGRADED', 0)
  }

  /** Observes one computation of `host.allowed_operations` of all hosts. */
  recomputed(durationMs: number): void {
    this.#recomputations.observe(durationMs / 1000)
  }

  /** Counts one poll of a host for a report. */
  polled(outcome: 'answered' | 'failed'): void {
    this.#polls.inc({ outcome })
  }

  /** Counts calls that were answered with an error. @param method `''`: the method does not exist */
  refused(method: string, error: string, count = 1): void {
    const kind = `${method} ${error}`
    if (!this.#refusedKinds.has(kind) && (method === '' || this.#refusedKinds.size >= MAX_REFUSED_KINDS)) {
      this.#refused.inc({ method: 'other', error: 'other' }, count)
      return
    }
    this.#refusedKinds.add(kind)
    this.#refused.inc({ method: labelValue(method), error: labelValue(error) }, count)
  }

  render(): Promise<string> {
    const snapshot = this.#snapshot()
    const levels = [this.#blocked, this.#reasons, this.#reasonsAbout, this.#override, this.#reportAge]
    for (const gauge of [...levels, this.#hostInfo, this.#srInfo]) gauge.reset()
    this.#setNames(snapshot)
    this.#setHosts(snapshot)
    this.#setReasonsAbout(snapshot)
    this.#setReportAges(snapshot)
    return this.#registry.metrics()
  }

  /** Sets the names of hosts and SRs. All other series use UUIDs because names change; alerts join the names from here. */
  #setNames({ pool }: GateSnapshot): void {
    for (const { ref, uuid = ref } of pool.hosts) {
      this.#hostInfo.set({ host: labelValue(uuid), name: labelValue(hostName(ref, pool)) }, 1)
    }
    for (const { ref, uuid = ref, nameLabel = '' } of pool.srs) {
      if (nameLabel !== '') this.#srInfo.set({ sr: labelValue(uuid), name: labelValue(nameLabel) }, 1)
    }
  }

  #setHosts({ pool, verdicts, policy, atMs }: GateSnapshot): void {
    forgetAllBut(pool.hosts, this.#codes)
    const counted = new Map<readonly GateReason[], Counts>()
    let overrides = 0
    for (const { ref, uuid = ref } of pool.hosts) {
      const host = labelValue(uuid)
      const isOverridden = overrideInForce(pool, ref, policy, atMs) !== undefined
      overrides += Number(isOverridden)
      this.#override.set({ host }, Number(isOverridden))
      const ofHost = verdicts.get(ref)
      for (const operation of STORAGE_OPERATIONS) {
        // A host without a verdict has not been judged yet: it counts as blocked.
        const blocks = ofHost?.[operation].reasons.some(({ override }) => override === undefined) ?? true
        this.#blocked.set({ host, operation }, Number(blocks))
      }
      this.#setReasons(ref, host, ofHost?.reboot.reasons ?? [], counted)
    }
    this.#overrides.set(overrides)
  }

  /** @param counted the counts of lists that were counted already: hosts with the same SRs share one list */
  #setReasons(
    ref: string,
    host: string,
    reasons: readonly GateReason[],
    counted: Map<readonly GateReason[], Counts>,
  ): void {
    const counts = counted.get(reasons) ?? countCodes(reasons)
    counted.set(reasons, counts)
    for (const code of everGiven(this.#codes, ref, counts)) {
      // The storage reasons are the same for each operation.
      for (const operation of STORAGE_OPERATIONS) this.#reasons.set({ host, operation, code }, counts.get(code) ?? 0)
    }
  }

  #setReasonsAbout({ pool, verdicts }: GateSnapshot): void {
    forgetAllBut(pool.hosts, this.#codesAbout)
    const counts = countsByHostTheyAreAbout(verdicts.values())
    for (const { ref, uuid = ref } of pool.hosts) {
      const host = labelValue(uuid)
      const ofHost: Counts = counts.get(ref) ?? new Map()
      for (const code of everGiven(this.#codesAbout, ref, ofHost)) {
        this.#reasonsAbout.set({ host, code }, ofHost.get(code) ?? 0)
      }
    }
  }

  #setReportAges({ pool, atMs }: GateSnapshot): void {
    const hosts = new Map(pool.hosts.map(({ ref, uuid = ref }) => [ref, labelValue(uuid)]))
    const srs = new Map(pool.srs.map(({ ref, uuid = ref }) => [ref, labelValue(uuid)]))
    const newest = new Map<string, number>()
    for (const { host: hostRef, sr: srRef, confirmedAtMs } of pool.reports) {
      const host = hosts.get(hostRef)
      const sr = srs.get(srRef)
      if (host === undefined || sr === undefined || !Number.isFinite(confirmedAtMs)) continue
      const key = `${hostRef} ${srRef}`
      // There may be several reports of a host and SR, in any order.
      if (confirmedAtMs < (newest.get(key) ?? confirmedAtMs)) continue
      newest.set(key, confirmedAtMs)
      this.#reportAge.set({ host, sr }, Math.max(0, atMs - confirmedAtMs) / 1000)
    }
  }
}

function forgetAllBut(hosts: GateSnapshot['pool']['hosts'], codes: CodesByHost): void {
  const refs = new Set(hosts.map(({ ref }) => ref))
  for (const ref of codes.keys()) if (!refs.has(ref)) codes.delete(ref)
}

/** The present codes and the earlier ones, whose series continue with 0. */
function everGiven(all: CodesByHost, ref: string, counts: Counts): ReadonlySet<GateReasonCode> {
  const codes = all.get(ref) ?? new Set()
  all.set(ref, codes)
  for (const code of counts.keys()) codes.add(code)
  return codes
}

/** Counts by the host that a reason names. A reason that blocks several hosts counts once per SR. */
function countsByHostTheyAreAbout(verdicts: Iterable<HostVerdicts>): ReadonlyMap<string, Counts> {
  const counted = new Set<readonly GateReason[]>()
  const seen = new Set<string>()
  const byHost = new Map<string, Map<GateReasonCode, number>>()
  for (const { reboot } of verdicts) {
    if (counted.has(reboot.reasons)) continue
    counted.add(reboot.reasons)
    for (const { code, host, sr } of reboot.reasons) {
      const key = `${code} ${host} ${sr}`
      if (seen.has(key)) continue
      seen.add(key)
      const counts = byHost.get(host) ?? new Map<GateReasonCode, number>()
      byHost.set(host, counts.set(code, (counts.get(code) ?? 0) + 1))
    }
  }
  return byHost
}
