import { firstName } from '../../allowed-operations/pool/find-by-name.ts'
import type { GatePolicy } from '../../allowed-operations/pool/gate-policy.ts'
import { GUARD_KEY, type GuardPresence, guardPresence } from '../../allowed-operations/pool/guard-heartbeat.ts'
import { overrideInForce } from '../../allowed-operations/pool/override.ts'
import type { HostSnapshot, SrSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import { type ObservedSr, observeSrs } from '../../allowed-operations/rules/sr-members.ts'
import { HEALTH_CHECK_LABEL } from '../../allowed-operations/rules/stock-rules.ts'
import type { SyncState } from '../../sync-query/state.ts'
import { RESERVATION_KEY, reservationInForce } from '../levers/reservation.ts'
import { pluggedSentinels, SENTINEL_TYPE } from '../levers/sentinel.ts'
import type { DoctorSnapshot } from './doctor-snapshot.ts'
import { type Finding, finding, type SubjectName } from './findings.ts'

/** Whether a guard protects this pool of unmodified toolstacks, and by what. */
export interface Diagnosis {
  readonly verdict: 'protected' | 'not-protected' | 'unknown'
  readonly sentinels: readonly SentinelState[]
  /** The Task exists: xapi refuses to reboot or shut down any host. */
  readonly isBlocking: boolean
  readonly guard: GuardPresence
  readonly hosts: readonly DiagnosedHost[]
  /** Those that decide the verdict first. */
  readonly findings: readonly Finding[]
}

interface SentinelState extends SubjectName {
  readonly clustered: boolean
  readonly contentType: string
  /** The hosts on which it is plugged. */
  readonly pluggedOn: readonly SubjectName[]
}

export interface DiagnosedHost extends SubjectName {
  readonly isCoordinator: boolean
  readonly enabled: boolean
  /** `null`: not known. */
  readonly live: boolean | null
  /** The PBD of the sentinel SR. */
  readonly sentinel: 'plugged' | 'unplugged' | 'no-pbd'
  /** One for each guarded SR that the host has a PBD for. */
  readonly reports: readonly ReportState[]
  /** How far its clock is ahead of the coordinator's; `null`: not known. */
  readonly clockAheadMs: number | null
}

export interface ReportState {
  readonly sr: SubjectName
  /** `none`: the host has never reported; `unreadable`: what it has reported cannot be read. */
  readonly state: SyncState | 'none' | 'unreadable'
  /** Since the report was written, by the clocks of its host and of the coordinator. */
  readonly ageMs: number | null
}

/** Larger differences are a fault of the time service. */
const CLOCK_DIFFERENCE_MS = 10_000
/** The first version of xapi whose `host.disable` has the parameter `auto_enable`. */
const AUTO_ENABLE_SINCE = [25, 31] as const

export function diagnose(snapshot: DoctorSnapshot, policy: GatePolicy): Diagnosis {
  const { pool, nowMs } = snapshot
  const guarded = observeSrs(pool, policy, nowMs)
  const sentinels = pool.srs.filter(({ type }) => type === SENTINEL_TYPE).map(sr => sentinelState(sr, snapshot))
  const plugged = pluggedSentinels(pool)
  const isBlocking = pool.tasks.some(
    ({ nameLabel, nameDescription }) => nameLabel === HEALTH_CHECK_LABEL && plugged.includes(nameDescription),
  )
  const guard = guardPresence(snapshot.poolConfig[GUARD_KEY], nowMs)
  const hosts = pool.hosts.map(host => hostState(host, guarded, snapshot))
  const failures = [...sentinelFailures(sentinels), ...guardFailures(guard, isBlocking)]
  const findings = [
    ...failures,
    ...taskFindings(hosts, isBlocking, snapshot, policy),
    ...sentinelWarnings(sentinels, snapshot),
    ...hosts.flatMap(host => hostFindings(host, plugged.length > 0)),
    ...claimFindings(snapshot),
    ...permissionFindings(snapshot, policy),
    ...placeFindings(guard, snapshot),
    ...versionFindings(snapshot),
  ]
  const isFailed = failures.some(({ severity }) => severity === 'failure')
  const isUnclear = failures.some(({ severity }) => severity === 'unclear')
  const verdict = isFailed ? 'not-protected' : isUnclear ? 'unknown' : 'protected'
  return { verdict, sentinels, isBlocking, guard, hosts, findings }
}

function sentinelState(sr: SrSnapshot, { pool, contentTypes }: DoctorSnapshot): SentinelState {
  const on = new Set(pool.pbds.filter(pbd => pbd.sr === sr.ref && pbd.currentlyAttached).map(({ host }) => host))
  return {
    ...srName(sr),
    clustered: sr.clustered,
    contentType: contentTypes.get(sr.ref) ?? '',
    pluggedOn: pool.hosts.filter(({ ref }) => on.has(ref)).map(hostNameOf),
  }
}

function hostState(host: HostSnapshot, guarded: readonly ObservedSr[], snapshot: DoctorSnapshot): DiagnosedHost {
  const { pool, coordinator, clocksAheadMs } = snapshot
  const sentinels = new Set(pool.srs.filter(({ type }) => type === SENTINEL_TYPE).map(({ ref }) => ref))
  const pbds = pool.pbds.filter(pbd => pbd.host === host.ref && sentinels.has(pbd.sr))
  const ofCoordinator = clocksAheadMs.get(coordinator)
  const own = clocksAheadMs.get(host.ref)
  return {
    ...hostNameOf(host),
    isCoordinator: host.ref === coordinator,
    enabled: host.enabled,
    live: host.live,
    sentinel: pbds.length === 0 ? 'no-pbd' : pbds.some(pbd => pbd.currentlyAttached) ? 'plugged' : 'unplugged',
    reports: guarded.filter(({ connected }) => connected.has(host.ref)).map(sr => reportState(sr, host, snapshot)),
    clockAheadMs: own === undefined || ofCoordinator === undefined ? null : own - ofCoordinator,
  }
}

function reportState({ ref, sr }: ObservedSr, host: HostSnapshot, { pool, nowMs }: DoctorSnapshot): ReportState {
  const name = srName(sr ?? { ref })
  const received = pool.reports.find(each => each.host === host.ref && each.sr === ref)
  if (received === undefined) return { sr: name, state: 'none', ageMs: null }
  if (received.report === undefined) return { sr: name, state: 'unreadable', ageMs: null }
  return { sr: name, state: received.report.state, ageMs: Math.max(0, nowMs - Date.parse(received.report.at)) }
}

function sentinelFailures(sentinels: readonly SentinelState[]): Finding[] {
  if (sentinels.some(({ clustered, pluggedOn }) => clustered && pluggedOn.length > 0)) return []
  const [first] = sentinels
  if (first === undefined) return [finding('no-sentinel', {})]
  const clustered = sentinels.find(each => each.clustered)
  return [
    clustered === undefined
      ? finding('sentinel-not-clustered', { sr: first })
      : finding('sentinel-unplugged', { sr: clustered }),
  ]
}

function guardFailures(guard: GuardPresence, isBlocking: boolean): Finding[] {
  switch (guard.state) {
    case 'acts':
      return []
    case 'never':
      return [finding('no-guard', { isBlocking })]
    case 'silent':
      return [finding('guard-silent', { isBlocking })]
    case 'unclear':
      return [finding('guard-unclear', { detail: guard.why })]
  }
}

/** A host is not in sync, and nothing refuses a reboot. */
function taskFindings(
  hosts: readonly DiagnosedHost[],
  isBlocking: boolean,
  { pool, nowMs }: DoctorSnapshot,
  policy: GatePolicy,
): Finding[] {
  if (isBlocking || pool.hosts.some(({ ref }) => overrideInForce(pool, ref, policy, nowMs) !== undefined)) return []
  const outOfSync = hosts.find(({ reports }) => reports.some(({ state }) => state !== 'synced'))
  return outOfSync === undefined ? [] : [finding('task-missing', { host: outOfSync })]
}

function sentinelWarnings(sentinels: readonly SentinelState[], { pool, defaultSr }: DoctorSnapshot): Finding[] {
  const defaultUuid = pool.srs.find(({ ref }) => ref === defaultSr)?.uuid
  return sentinels.flatMap(sr => [
    ...(sr.uuid === defaultUuid ? [finding('sentinel-is-default', { sr })] : []),
    ...(sr.contentType === 'user' ? [finding('sentinel-content-type', { sr })] : []),
  ])
}

function hostFindings(host: DiagnosedHost, isPluggedSomewhere: boolean): Finding[] {
  const findings: Finding[] = []
  if (isPluggedSomewhere && host.live === true) {
    if (host.sentinel === 'unplugged') findings.push(finding('host-unplugged', { host }))
    if (host.sentinel === 'no-pbd') findings.push(finding('host-without-pbd', { host }))
  }
  for (const { sr, state } of host.reports) {
    if (state === 'none') findings.push(finding('no-report', { host, sr }))
    if (state === 'unreadable') findings.push(finding('report-unreadable', { host, sr }))
  }
  if (host.clockAheadMs !== null && Math.abs(host.clockAheadMs) >= CLOCK_DIFFERENCE_MS) {
    findings.push(finding('clock-differs', { host, seconds: host.clockAheadMs / 1_000 }))
  }
  return findings
}

function claimFindings({ pool, poolConfig, nowMs }: DoctorSnapshot): Finding[] {
  const disabled = pool.hosts.filter(({ live, enabled }) => live === true && !enabled)
  const reserved = reservationInForce(poolConfig[RESERVATION_KEY], nowMs)?.host
  if (disabled.length < 2 || disabled.some(({ uuid }) => uuid === reserved)) return []
  return [finding('hosts-disabled', { detail: disabled.map(host => hostNameOf(host).name).join(' and ') })]
}

function permissionFindings({ pool, poolConfig, nowMs }: DoctorSnapshot, policy: GatePolicy): Finding[] {
  const reservation = reservationInForce(poolConfig[RESERVATION_KEY], nowMs)
  const reserved = pool.hosts.find(({ uuid }) => uuid === reservation?.host)
  const findings: Finding[] = []
  if (reservation !== null) {
    const host = reserved === undefined ? { uuid: reservation.host, name: reservation.host } : hostNameOf(reserved)
    findings.push(finding('reservation', { host, detail: reservation.by, untilMs: reservation.expiresMs }))
  }
  for (const each of pool.hosts) {
    const override = overrideInForce(pool, each.ref, policy, nowMs)
    if (override === undefined) continue
    const detail = `${override.by ?? 'somebody'}: ${override.reason}`
    findings.push(finding('override', { host: hostNameOf(each), detail, untilMs: override.expiresMs }))
  }
  return findings
}

function placeFindings(guard: GuardPresence, { pool, coordinator }: DoctorSnapshot): Finding[] {
  if (guard.state !== 'acts') return []
  const { machine } = guard.heartbeat
  const host = pool.hosts.find(({ ref }) => ref === coordinator)
  return host === undefined || host.hostname === machine
    ? []
    : [finding('guard-elsewhere', { host: hostNameOf(host), detail: machine })]
}

function versionFindings({ pool, xapiVersions }: DoctorSnapshot): Finding[] {
  const old = pool.hosts.find(({ ref }) => !hasAutoEnable(xapiVersions.get(ref) ?? ''))
  return old === undefined
    ? []
    : [
        finding('no-auto-enable', {
          host: hostNameOf(old),
          detail: xapiVersions.get(old.ref) || 'of an unknown version',
        }),
      ]
}

function hasAutoEnable(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(part => Number.parseInt(part, 10) || 0)
  const [sinceMajor, sinceMinor] = AUTO_ENABLE_SINCE
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor)
}

function hostNameOf({ uuid = '', nameLabel, hostname }: HostSnapshot): SubjectName {
  return { uuid, name: firstName(nameLabel, hostname, uuid) }
}

function srName({ ref, uuid, nameLabel }: Pick<SrSnapshot, 'ref' | 'uuid' | 'nameLabel'>): SubjectName {
  return { uuid: uuid ?? '', name: firstName(nameLabel, uuid, ref) }
}
