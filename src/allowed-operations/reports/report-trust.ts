import type { Report } from '../../sync-query/report/report.ts'
import type { GatePolicy } from '../pool/gate-policy.ts'
import type { HostSnapshot } from '../pool/pool-snapshot.ts'
import { type GateReason, type GateReasonCode, gateReason } from '../reason/gate-reason.ts'
import { factsOf } from './report-facts.ts'
import type { KnownReport } from './report-order.ts'

/** A valid report, or the reason why there is none. */
export type ReportAssessment =
  | { readonly report: Report; readonly countsUntilMs: number; readonly distrust?: never }
  | { readonly distrust: GateReason; readonly report?: never; readonly countsUntilMs?: never }

/** The host and SR of a report, by the records of the pool. */
interface Subject {
  readonly host: HostSnapshot
  readonly sr: { readonly ref: string; readonly uuid?: string }
  /** From the host's last heartbeat: the lowest `seq` in its present boot that describes the present state of the SR. */
  readonly changedSeq?: number | undefined
}

/**
 * Decides whether the known report of a host about an SR is valid (DESIGN section 6): it must be from the host's present boot, made
 * after the host last became live, and confirmed within the lease. Each condition is positive, so that a moment that cannot be
 * compared (NaN) makes a report invalid.
 */
export function assessReport(
  subject: Subject,
  known: KnownReport | undefined,
  policy: GatePolicy,
  now: number,
): ReportAssessment {
  const { host, sr } = subject
  if (known === undefined) return { distrust: missingReason('no-report', subject, now) }
  const { report, problem, confirmedAtMs } = known.received
  if (report === undefined) {
    const code = problem.code === 'unknown-schema' ? 'report-unknown-schema' : 'report-unreadable'
    return { distrust: gateReason(code, host.ref, sr.ref, { problem: problem.text }) }
  }
  const { madeAtMs } = factsOf(report)
  const countsUntilMs = endOfLease(madeAtMs, confirmedAtMs, policy)
  const horizonMs = now + policy.clockSkewMs
  const made: ReportTimes = { madeAtMs, confirmedAtMs, isExpired: !(now <= countsUntilMs), horizonMs }
  const code = distrustCode(subject, report, known, made)
  return code === null ? { report, countsUntilMs } : { distrust: missingReason(code, subject, now) }
}

/** A report arrives within seconds after a host became live. If none is valid after this time, an operator must look. */
const OPERATOR_AFTER_MS = 5 * 60_000

/** The reason for an invalid report. It needs an operator once the host has been live for long without a valid report. */
function missingReason(code: GateReasonCode, { host, sr }: Subject, now: number): GateReason {
  const found = gateReason(code, host.ref, sr.ref)
  const isLate = host.live === true && host.liveSinceMs !== null && now - host.liveSinceMs >= OPERATOR_AFTER_MS
  return isLate ? { ...found, clearedBy: 'operator' } : found
}

/** The times of a report, in milliseconds since 1970. */
interface ReportTimes {
  readonly madeAtMs: number
  readonly confirmedAtMs: number
  /** The lease is over. */
  readonly isExpired: boolean
  /** A later moment is in the future by any clock of the pool. */
  readonly horizonMs: number
}

function distrustCode(
  { host, sr, changedSeq }: Subject,
  report: Report,
  known: KnownReport,
  { madeAtMs: at, confirmedAtMs, isExpired, horizonMs: horizon }: ReportTimes,
): GateReasonCode | null {
  // Copied from another PBD by hand or by a script: it describes another host or SR.
  if (!isAbout(report, { host, sr })) return 'report-misplaced'
  // A clock that is ahead would keep a report valid for as long as it is ahead.
  if (!(at <= horizon && confirmedAtMs <= horizon)) return 'report-from-future'
  if (host.bootId !== undefined && host.bootId !== report.bootId) return 'report-other-boot'
  if (host.bootId === undefined && isOlderThanBoot(at, host, horizon)) return 'report-before-boot'
  // A host that goes down leaves a `synced` report that looks recent for minutes (vatesfr/xen-orchestra#10248). `at` must be newer
  // too: a restarted toolstack may count the reading of its database as a confirmation.
  if (host.liveSinceMs !== null && !(at >= host.liveSinceMs && confirmedAtMs >= host.liveSinceMs)) {
    return 'report-before-live'
  }
  // A report with a lower number was made later: its writer lost count, and which report is true is not known.
  const { discarded } = known
  if (discarded !== null && discarded.report.bootId === report.bootId && factsOf(discarded.report).madeAtMs > at) {
    return 'report-superseded'
  }
  // A push may be delayed or fail while the heartbeats of its host arrive.
  if (changedSeq !== undefined && report.seq < changedSeq) return 'report-overtaken'
  if (!isExpired) return null
  return discarded !== null && discarded.confirmedAtMs > confirmedAtMs ? 'report-superseded' : 'lease-expired'
}

/**
 * The end of the lease. It begins with the last confirmation, but no later than the report itself, whose clock may be behind. Writing
 * an old text into the database again, for example by a script that restores it, must not extend the report of a dead agent.
 */
function endOfLease(madeAtMs: number, confirmedAtMs: number, { leaseMs, clockSkewMs }: GatePolicy): number {
  return Math.min(confirmedAtMs, madeAtMs + clockSkewMs) + leaseMs
}

/**
 * Whether a report is older than the boot of its host. Used only if the toolstack does not know the boot id, because dates are wrong
 * after a clock was set. Both moments are on the host's own clock, so there is no skew. A boot in the future comes from a clock that
 * was ahead and was corrected since: it proves nothing, and a report made after the host became live is accepted, if that is known.
 */
function isOlderThanBoot(at: number, { bootTimeMs, liveSinceMs }: HostSnapshot, horizon: number): boolean {
  if (bootTimeMs === null || at >= bootTimeMs) return false
  return !(bootTimeMs > horizon && liveSinceMs !== null)
}

/** Whether a report names the host and the SR for which it was delivered. */
export function isAbout(report: Report, { host, sr }: Subject): boolean {
  return names(host, report.host) && names(sr, report.sr)
}

function names({ ref, uuid }: { readonly ref: string; readonly uuid?: string }, name: string): boolean {
  return name === uuid || name === ref
}
