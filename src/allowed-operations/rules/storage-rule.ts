import type { GatePolicy } from '../pool/gate-policy.ts'
import type { PoolSnapshot } from '../pool/pool-snapshot.ts'
import { type GateReason, gateReason } from '../reason/gate-reason.ts'
import { PeerNames } from '../reports/peer-names.ts'
import { conservativeReasons } from './conservative-rule.ts'
import { placementRule } from './placement-rule.ts'
import { absenceCode, type ObservedSr, observeSrs } from './sr-members.ts'
import type { SrRule } from './sr-rule.ts'

/** The storage rule (DESIGN section 6 b) under either policy. Each SR is looked at once, for all its members. */
export function storageRule(
  { hosts }: Pick<PoolSnapshot, 'hosts'>,
  policy: GatePolicy,
  srs: readonly ObservedSr[],
): readonly SrRule[] {
  const names = new PeerNames(hosts)
  const away = new Set(hosts.flatMap(host => (absenceCode(host) === null ? [] : host.ref)))
  return srs.map(sr => {
    if (sr.sr === null) return missingSr(sr)
    return policy.kind === 'placement' ? placementRule(sr, names, away, policy) : conservativeRule(sr, names)
  })
}

function missingSr({ ref, members, connected }: ObservedSr): SrRule {
  const missing = members.map(({ host }) => gateReason('sr-missing', host.ref, ref))
  return { concerns: host => connected.has(host), departure: () => missing }
}

function conservativeRule({ ref, members, connected }: ObservedSr, names: PeerNames): SrRule {
  const blocking = conservativeReasons(ref, members, names)
  return {
    concerns: host => connected.has(host),
    departure: leaving => {
      const going = [...leaving].filter(host => connected.has(host))
      return going.length === 1 ? blocking : [...blocking, ...going.map(host => gateReason('one-at-a-time', host, ref))]
    },
  }
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
  const leaving = new Set([...hosts].filter(ref => known.has(ref)))
  const reasons = storageRule(pool, policy, srs).flatMap(({ concerns, departure }) =>
    [...leaving].some(concerns) ? departure(leaving) : [],
  )
  return { ok: reasons.length === 0 && unknownHosts.length === 0, reasons, unknownHosts }
}
