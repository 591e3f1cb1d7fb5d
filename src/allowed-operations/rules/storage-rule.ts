import type { GatePolicy } from '../pool/gate-policy.ts'
import type { PoolSnapshot } from '../pool/pool-snapshot.ts'
import { type GateReason, gateReason } from '../reason/gate-reason.ts'
import { PeerNames } from '../reports/peer-names.ts'
import { conservativeReasons } from './conservative-rule.ts'
import { placementRule } from './placement-rule.ts'
import { absenceCode, type ObservedSr, observeSrs } from './sr-members.ts'
import type { SrRule } from './sr-rule.ts'

/** The storage rule (DESIGN section 6 b) of each SR, under either policy. Each is evaluated once, for all its members. */
export function storageRules(
  { hosts }: Pick<PoolSnapshot, 'hosts'>,
  policy: GatePolicy,
  srs: readonly ObservedSr[],
): readonly SrRule[] {
  const names = new PeerNames(hosts)
  const away = new Set(hosts.flatMap(host => (absenceCode(host) === null ? [] : host.ref)))
  return srs.map(sr => {
    if (sr.sr === null) return missingSrRule(sr)
    return policy.kind === 'placement' ? placementRule(sr, names, away, policy) : conservativeRule(sr, names)
  })
}

function missingSrRule({ ref, members, connected }: ObservedSr): SrRule {
  const missing = members.map(({ host }) => gateReason('sr-missing', host.ref, ref))
  return { concerns: host => connected.has(host), departure: () => missing }
}

function conservativeRule({ ref, members, connected }: ObservedSr, names: PeerNames): SrRule {
  // Evaluated when first asked for: a single claim needs only the SRs of its host.
  let reasons: readonly GateReason[] | null = null
  return {
    concerns: host => connected.has(host),
    departure: leaving => {
      reasons ??= conservativeReasons(ref, members, names)
      const going = [...leaving].filter(host => connected.has(host))
      return going.length === 1 ? reasons : [...reasons, ...going.map(host => gateReason('one-at-a-time', host, ref))]
    },
  }
}

/** Whether a set of hosts may be down together. */
interface RebootAnswer {
  readonly ok: boolean
  readonly reasons: readonly GateReason[]
  /** Requested refs that are not hosts of the pool; with any of them `ok` is false. */
  readonly unknownHosts: readonly string[]
}

/**
 * Decides whether these hosts, by ref, may be down at the same time, in addition to the hosts that are already down. It applies
 * the storage rule only, without ordinary rules and overrides.
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
  const reasons = storageRules(pool, policy, srs).flatMap(({ concerns, departure }) =>
    [...leaving].some(concerns) ? departure(leaving) : [],
  )
  return { ok: reasons.length === 0 && unknownHosts.length === 0, reasons, unknownHosts }
}
