import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { hostName } from '../allowed-operations/reason/describe-gate.ts'
import type { ObservedSr } from '../allowed-operations/rules/sr-members.ts'

/** The gate has let an operation begin that takes a host's replicas away. */
export interface AcceptedClaim {
  readonly at: number
  /** Ref of the host. */
  readonly host: string
  readonly operation: HostOperation
  /** Ref of the task. */
  readonly task: string
  /** The SRs that were asked, and the member of them that confirmed its report longest ago; `null`: no member has reported. */
  readonly srs: number
  readonly oldest: { readonly host: string; readonly sr: string; readonly ageMs: number } | null
  readonly pool: PoolSnapshot
}

/** The member of the SRs of a host that confirmed its report longest ago: what the decision rests on is at most this old. */
export function oldestConfirmation(
  srs: readonly ObservedSr[],
  host: string,
  now: number,
): Pick<AcceptedClaim, 'srs' | 'oldest'> {
  const asked = srs.filter(({ connected }) => connected.has(host))
  let oldest: AcceptedClaim['oldest'] = null
  for (const { ref: sr, members } of asked) {
    for (const { host: member, confirmedAtMs } of members) {
      if (confirmedAtMs === null) continue
      const ageMs = now - confirmedAtMs
      if (oldest === null || ageMs > oldest.ageMs) oldest = { host: member.ref, sr, ageMs }
    }
  }
  return { srs: asked.length, oldest }
}

/** A sentence for people. @param knownWithinMs a host that became bad this long ago or earlier would have been known */
export function describeAccepted({ host, operation, pool, oldest }: AcceptedClaim, knownWithinMs: number): string {
  const age =
    oldest === null
      ? 'no report was asked for'
      : `the oldest report was confirmed ${seconds(oldest.ageMs)} s ago, by ${hostName(oldest.host, pool)}`
  return `${operation} of ${hostName(host, pool)} was accepted; ${age}; what changed in the last ${seconds(knownWithinMs)} s may not be known`
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10
}
