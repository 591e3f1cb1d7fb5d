import { blockers } from './conservative-rule.ts'
import type { GatePolicy } from './gate-policy.ts'
import { type GateReason, gateReason } from './gate-reason.ts'
import { PeerNames } from './peer-names.ts'
import { placementRule } from './placement-rule.ts'
import type { PoolSnapshot } from './pool-snapshot.ts'
import { type ObservedSr, observeSrs } from './sr-members.ts'

/** One guarded SR, and what speaks against the departure of some of its members, beside those that are away already. */
interface Guard {
  /** Whether a host, by its ref, is a member. */
  readonly concerns: (host: string) => boolean
  /** @param leaving refs of members of this SR, at least one */
  readonly departure: (leaving: ReadonlySet<string>) => readonly GateReason[]
}

/** The storage rule (DESIGN section 6 b) under either policy. Each SR is looked at once, for all its members. */
export function storageRule(
  pool: Pick<PoolSnapshot, 'hosts'>,
  policy: GatePolicy,
  srs: readonly ObservedSr[],
): readonly Guard[] {
  const names = new PeerNames(pool.hosts)
  return srs.map(sr => ({
    concerns: host => sr.connected.has(host),
    departure: departureFrom(sr, names, policy),
  }))
}

function departureFrom({ ref, sr, members }: ObservedSr, names: PeerNames, policy: GatePolicy): Guard['departure'] {
  if (sr === null) {
    const missing = members.map(({ host }) => gateReason('sr-missing', host.ref, ref))
    return () => missing
  }
  if (policy.kind === 'placement') return placementRule(ref, members, names, policy)
  const blocking = blockers(ref, members, names)
  return leaving =>
    leaving.size === 1 ? blocking : [...blocking, ...[...leaving].map(host => gateReason('one-at-a-time', host, ref))]
}

/** Whether a set of hosts may go down together. */
interface RebootAnswer {
  readonly ok: boolean
  readonly reasons: readonly GateReason[]
  /** Refs that were asked about and are no hosts of the pool; with any of them the answer is no. */
  readonly unknownHosts: readonly string[]
}

/**
 * Whether these hosts, by their refs, may be down at the same time, beside those that are down already. It answers
 * for storage only: neither ordinary rules nor overrides are looked at.
 *
 * @param srs see `decide`
 */
export function canReboot(
  pool: PoolSnapshot,
  policy: GatePolicy,
  now: number,
  hosts: ReadonlySet<string>,
  srs: readonly ObservedSr[] = observeSrs(pool, policy, now),
): RebootAnswer {
  const known = new Set(pool.hosts.map(({ ref }) => ref))
  const unknownHosts = [...hosts].filter(ref => !known.has(ref))
  const reasons = storageRule(pool, policy, srs).flatMap(({ concerns, departure }) => {
    const leaving = new Set([...hosts].filter(ref => known.has(ref) && concerns(ref)))
    return leaving.size === 0 ? [] : departure(leaving)
  })
  return { ok: reasons.length === 0 && unknownHosts.length === 0, reasons, unknownHosts }
}
