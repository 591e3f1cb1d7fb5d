import type { GatePolicy } from '../allowed-operations/pool/gate-policy.ts'
import { overrideInForce } from '../allowed-operations/pool/override.ts'
import type {
  CurrentOperation,
  HostSnapshot,
  PoolSnapshot,
  SrSnapshot,
} from '../allowed-operations/pool/pool-snapshot.ts'
import type { ObservedSr, SrMember } from '../allowed-operations/rules/sr-members.ts'
import type { ChangeCause, OverrideCause, ReportVerdict } from './change-cause.ts'
import type { PoolObservation } from './pool-observer.ts'

/** The changes between two observations, and those that concern a host, by ref. */
interface FoundCauses {
  readonly all: readonly ChangeCause[]
  of(host: string): readonly ChangeCause[]
}

/**
 * Finds every change between two observations for which the verdicts may differ, the passing of time included.
 *
 * Only inputs of the gate are causes. The tasks `SR Recovering`, by which stock xapi blocks, are not: any user may create one, and
 * reports contain more (xapi-rules R12).
 *
 * @param before `null`: the updater has just started
 */
export function findCauses(before: PoolObservation | null, after: PoolObservation, policy: GatePolicy): FoundCauses {
  if (before === null) {
    const started: readonly ChangeCause[] = [{ code: 'updater-started' }]
    return { all: started, of: () => started }
  }
  const all = [
    ...poolCauses(before, after),
    ...hostCauses(before.pool, after.pool),
    ...overrideCauses(before, after, policy),
    ...srCauses(before.srs, after.srs),
    ...memberCauses(before, after, policy),
  ]
  const srsOfHost = memberships([before, after], policy)
  return { all, of: host => all.filter(cause => concerns(cause, host, srsOfHost)) }
}

function* poolCauses(before: PoolObservation, after: PoolObservation): Generator<ChangeCause> {
  if (before.coordinator !== after.coordinator) yield { code: 'coordinator-changed', host: after.coordinator }
  if (before.pool.rollingUpgrade !== after.pool.rollingUpgrade) {
    yield { code: after.pool.rollingUpgrade ? 'rolling-upgrade-began' : 'rolling-upgrade-ended' }
  }
  if (before.pool.powerOnPlugin !== after.pool.powerOnPlugin) {
    yield { code: after.pool.powerOnPlugin ? 'power-on-plugin-found' : 'power-on-plugin-missing' }
  }
}

function* hostCauses(before: PoolSnapshot, after: PoolSnapshot): Generator<ChangeCause> {
  const known = byRef(before.hosts)
  for (const host of after.hosts) {
    const earlier = known.get(host.ref)
    if (earlier === undefined) yield { code: 'host-added', host: host.ref }
    else yield* changesOfHost(earlier, host)
    known.delete(host.ref)
  }
  for (const host of known.keys()) yield { code: 'host-removed', host }
}

function* changesOfHost(before: HostSnapshot, after: HostSnapshot): Generator<ChangeCause> {
  const host = after.ref
  const isLive = after.live === true
  if ((before.live === true) !== isLive) yield { code: isLive ? 'host-live' : 'host-not-live', host }
  if (before.leaving !== after.leaving) yield { code: after.leaving ? 'host-leaving' : 'host-not-leaving', host }
  if (before.enabled !== after.enabled) yield { code: after.enabled ? 'host-enabled' : 'host-disabled', host }
  for (const each of newOperations(before, after)) yield { code: 'operation-began', host, ...each }
  for (const each of newOperations(after, before)) yield { code: 'operation-ended', host, ...each }
  if (before.powerOnMode !== after.powerOnMode) yield { code: 'power-on-mode-changed', host }
  if (NAMES.some(name => before[name] !== after[name])) yield { code: 'host-renamed', host }
}

/** The names by which reports of peers may mean a host. */
const NAMES = ['uuid', 'hostname', 'nameLabel'] as const satisfies readonly (keyof HostSnapshot)[]

function newOperations(before: HostSnapshot, after: HostSnapshot): readonly CurrentOperation[] {
  return after.currentOperations.filter(
    ({ task, operation }) => !before.currentOperations.some(each => each.task === task && each.operation === operation),
  )
}

export function* overrideCauses(
  before: PoolObservation,
  after: PoolObservation,
  policy: GatePolicy,
): Generator<OverrideCause> {
  const hosts = new Set([...before.pool.overrides, ...after.pool.overrides].map(({ host }) => host))
  for (const host of hosts) {
    const earlier = overrideInForce(before.pool, host, policy, before.atMs)
    const override = overrideInForce(after.pool, host, policy, after.atMs)
    if (override !== undefined) {
      if (earlier === undefined || differ(earlier, override)) yield { code: 'override-set', host, override }
    } else if (earlier !== undefined) {
      const code = earlier.expiresMs <= after.atMs ? 'override-expired' : 'override-removed'
      yield { code, host, override: earlier }
    }
  }
}

function* srCauses(before: readonly ObservedSr[], after: readonly ObservedSr[]): Generator<ChangeCause> {
  const known = byRef(before)
  for (const { ref, sr } of after) {
    const earlier = known.get(ref)
    if (earlier === undefined || isOtherKind(earlier.sr, sr)) {
      yield { code: sr === null ? 'sr-missing' : 'sr-guarded', sr: ref }
    }
    known.delete(ref)
  }
  for (const sr of known.keys()) yield { code: 'sr-not-guarded', sr }
}

/** Whether an SR got or lost its record. No report about an SR without a record is valid. */
function isOtherKind(before: SrSnapshot | null, after: SrSnapshot | null): boolean {
  return (before === null) !== (after === null)
}

/** Changes of the members of SRs that are guarded in both observations. */
function* memberCauses(before: PoolObservation, after: PoolObservation, policy: GatePolicy): Generator<ChangeCause> {
  const known = byRef(before.srs)
  const hostsBefore = byRef(before.pool.hosts)
  const hostsAfter = byRef(after.pool.hosts)
  for (const { ref: sr, sr: record, members } of after.srs) {
    const earlierSr = known.get(sr)
    if (earlierSr === undefined || isOtherKind(earlierSr.sr, record)) continue
    const earlierMembers = new Map(earlierSr.members.map(member => [member.host.ref, member]))
    for (const member of members) {
      const host = member.host.ref
      const earlier = earlierMembers.get(host)
      earlierMembers.delete(host)
      if (earlier === undefined) {
        if (hostsBefore.has(host)) yield { code: 'pbd-added', host, sr }
        // With another coordinator all reports are gone at once, which is a cause of its own.
      } else if (before.coordinator === after.coordinator) yield* changesOfReport(earlier, member, sr, policy)
    }
    for (const host of earlierMembers.keys()) if (hostsAfter.has(host)) yield { code: 'pbd-removed', host, sr }
  }
}

function* changesOfReport(earlier: SrMember, member: SrMember, sr: string, policy: GatePolicy): Generator<ChangeCause> {
  const host = member.host.ref
  const before = reportVerdict(earlier)
  const after = reportVerdict(member)
  if (after === 'lease-expired' && before !== after) yield { code: 'lease-expired', host, sr }
  else if (before !== after || differsForGate(earlier, member, policy)) {
    yield { code: 'report-changed', host, sr, before, after }
  }
}

function reportVerdict({ report, distrust }: SrMember): ReportVerdict {
  return report?.state ?? distrust?.code ?? 'unknown'
}

/**
 * Whether two reports with the same state differ in what the gate uses: a report of a newer agent may be in sync and contradict a peer
 * by an unknown code, and under the placement policy the list of mirrors decides.
 */
function differsForGate({ report: before }: SrMember, { report: after }: SrMember, { kind }: GatePolicy): boolean {
  if (before === null || after === null || before === after) return false
  if (after.state === 'synced' && differ(before.reasons, after.reasons)) return true
  return kind === 'placement' && differ(before.mirrorList, after.mirrorList)
}

function differ(before: unknown, after: unknown): boolean {
  return JSON.stringify(before) !== JSON.stringify(after)
}

function byRef<T extends { readonly ref: string }>(records: readonly T[]): Map<string, T> {
  return new Map(records.map(record => [record.ref, record]))
}

type Memberships = ReadonlyMap<string, ReadonlySet<string>>

/**
 * Refs of the guarded SRs that concern each host: those that it is a member of. Under the placement policy every SR may, because
 * lists of mirrors also name hosts without a PBD.
 */
function memberships(observations: readonly PoolObservation[], { kind }: GatePolicy): Memberships {
  const found = new Map<string, Set<string>>()
  for (const { pool, srs } of observations) {
    for (const { ref, members } of srs) {
      for (const { ref: host } of kind === 'placement' ? pool.hosts : members.map(member => member.host)) {
        const ofHost = found.get(host)
        if (ofHost === undefined) found.set(host, new Set([ref]))
        else ofHost.add(ref)
      }
    }
  }
  return found
}

/** Whether a cause may have changed the verdicts of this host. */
function concerns(cause: ChangeCause, host: string, srsOfHost: Memberships): boolean {
  const srs = srsOfHost.get(host) ?? new Set()
  switch (cause.code) {
    case 'updater-started':
    case 'coordinator-changed':
    case 'rolling-upgrade-began':
    case 'rolling-upgrade-ended':
    case 'power-on-plugin-found':
    case 'power-on-plugin-missing':
    // Names decide which hosts reports mean.
    case 'host-added':
    case 'host-removed':
    case 'host-renamed':
      return true
    case 'host-enabled':
    case 'host-disabled':
    case 'power-on-mode-changed':
    case 'override-set':
    case 'override-removed':
    case 'override-expired':
      return cause.host === host
    case 'host-live':
    case 'host-not-live':
    case 'host-leaving':
    case 'host-not-leaving':
    case 'operation-began':
    case 'operation-ended':
      return cause.host === host || !srs.isDisjointFrom(srsOfHost.get(cause.host) ?? new Set())
    case 'sr-guarded':
    case 'sr-not-guarded':
    case 'sr-missing':
    case 'report-changed':
    case 'lease-expired':
    case 'pbd-added':
    case 'pbd-removed':
      return srs.has(cause.sr)
  }
}
