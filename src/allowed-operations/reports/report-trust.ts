import type { Report } from '../../sync-query/report/report.ts'
import type { GatePolicy } from '../pool/gate-policy.ts'
import type { HostSnapshot } from '../pool/pool-snapshot.ts'
import { type GateReason, type GateReasonCode, gateReason } from '../reason/gate-reason.ts'
import { factsOf } from './report-facts.ts'
import type { KnownReport } from './report-order.ts'

/** A report that counts, or why there is none. */
export type ReportAssessment =
  | { readonly report: Report; readonly countsUntilMs: number; readonly distrust?: never }
  | { readonly distrust: GateReason; readonly report?: never; readonly countsUntilMs?: never }

/** What a report is about, by the records of the pool. */
interface Subject {
  readonly host: HostSnapshot
  readonly sr: { readonly ref: string; readonly uuid?: string }
  /** By the host's last heartbeat, the `seq` from which on reports of its present boot tell of the SR's present state. */
  readonly changedSeq?: number | undefined
}

/**
 * Whether what is known from a host about an SR counts (DESIGN section 6): it must be of the host's present boot, from
 * after the host last became live, and confirmed within the lease. Everything is asked positively, so that a moment
 * that cannot be compared (NaN) does not count either.
 */
export function assessReport(
  subject: Subject,
  known: KnownReport | undefined,
  policy: GatePolicy,
  now: number,
): ReportAssessment {
  const { host, sr } = subject
  if (known === undefined) return { distrust: unspoken('no-report', subject, now) }
  const { report, problem, confirmedAtMs } = known.received
  if (report === undefined) {
    const code = problem.code === 'unknown-schema' ? 'report-unknown-schema' : 'report-unreadable'
    return { distrust: gateReason(code, host.ref, sr.ref, { problem: problem.text }) }
  }
  const code = distrustCode(subject, report, known, policy, now, confirmedAtMs)
  if (code !== null) return { distrust: unspoken(code, subject, now) }
  return { report, countsUntilMs: endOfLease(report, confirmedAtMs, policy) }
}

/** A report arrives within seconds after a host became live; one that has not come after this long needs somebody who looks. */
const SILENT_FOR_LONG_MS = 5 * 60_000

/** A report that does not count. What time should bring is an operator's once the host has been live for long without it. */
function unspoken(code: GateReasonCode, { host, sr }: Subject, now: number): GateReason {
  const found = gateReason(code, host.ref, sr.ref)
  const isLate = host.live === true && host.liveSinceMs !== null && now - host.liveSinceMs >= SILENT_FOR_LONG_MS
  return isLate ? { ...found, clearedBy: 'operator' } : found
}

function distrustCode(
  { host, sr, changedSeq }: Subject,
  report: Report,
  known: KnownReport,
  policy: GatePolicy,
  now: number,
  confirmedAtMs: number,
): GateReasonCode | null {
  // Copied from another PBD by hand or by a script: true, and about something else.
  if (!isAbout(report, { host, sr })) return 'report-misplaced'
  const at = factsOf(report).madeAtMs
  // A clock ahead would keep a report young for as long as it is ahead.
  const horizon = now + policy.clockSkewMs
  if (!(at <= horizon && confirmedAtMs <= horizon)) return 'report-from-future'
  if (host.bootId !== undefined && host.bootId !== report.bootId) return 'report-other-boot'
  if (host.bootId === undefined && isOlderThanBoot(at, host, horizon)) return 'report-before-boot'
  // A host that goes down leaves a `synced` behind that stays young for minutes (vatesfr/xen-orchestra#10248). Its
  // `at` must be newer as well: a restarted toolstack may take the reading of its database for a confirmation.
  if (host.liveSinceMs !== null && !(at >= host.liveSinceMs && confirmedAtMs >= host.liveSinceMs)) {
    return 'report-before-live'
  }
  // A lower number that was made later: its writer has lost count, and which one is true cannot be told.
  const { discarded } = known
  if (discarded !== null && discarded.report.bootId === report.bootId && factsOf(discarded.report).madeAtMs > at) {
    return 'report-superseded'
  }
  // A push may be held up, or fail, while the heartbeats of its host arrive.
  if (changedSeq !== undefined && report.seq < changedSeq) return 'report-overtaken'
  if (now <= endOfLease(report, confirmedAtMs, policy)) return null
  return discarded !== null && discarded.confirmedAtMs > confirmedAtMs ? 'report-superseded' : 'lease-expired'
}

/**
 * A lease runs from the last confirmation, and no longer than from the report itself, by a clock that may be behind: whoever
 * writes an old text into the database again, as a script that restores it does, must not keep the report of a dead agent alive.
 */
function endOfLease(report: Report, confirmedAtMs: number, { leaseMs, clockSkewMs }: GatePolicy): number {
  return Math.min(confirmedAtMs, factsOf(report).madeAtMs + clockSkewMs) + leaseMs
}

/**
 * Asked only of a host whose boot the toolstack does not know by its id: a clock that was set makes dates lie.
 * Both moments by the host's own clock: no skew to allow for. A boot that is yet to come was told by a clock that was ahead
 * and has been set right since. It proves nothing; that the host has spoken since it became live must do, if that is known.
 */
function isOlderThanBoot(at: number, { bootTimeMs, liveSinceMs }: HostSnapshot, horizon: number): boolean {
  if (bootTimeMs === null || at >= bootTimeMs) return false
  return !(bootTimeMs > horizon && liveSinceMs !== null)
}

/** Whether a report names the host and the SR that it was found for. */
export function isAbout(report: Report, { host, sr }: Subject): boolean {
  return names(host, report.host) && names(sr, report.sr)
}

function names({ ref, uuid }: { readonly ref: string; readonly uuid?: string }, name: string): boolean {
  return name === uuid || name === ref
}
