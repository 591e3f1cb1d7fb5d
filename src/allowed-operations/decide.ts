import type { GatePolicy } from './pool/gate-policy.ts'
import {
  HOST_OPERATIONS,
  type HostOperation,
  STORAGE_OPERATIONS,
  tableOfOperations,
  type XapiError,
} from './pool/host-operation.ts'
import { overrideInForce } from './pool/override.ts'
import type { PoolSnapshot } from './pool/pool-snapshot.ts'
import { type GateReason, gateReason } from './reason/gate-reason.ts'
import { ordinaryErrors, setErrors } from './rules/ordinary-rules.ts'
import { type ObservedSr, observeSrs } from './rules/sr-members.ts'
import { storageRule } from './rules/storage-rule.ts'

/**
 * Whether an operation may begin. The reasons are those of the storage rule: they are there whichever rule gave the
 * error, and also when an override lets the host go nevertheless.
 */
type Verdict =
  | { readonly allowed: true; readonly reasons: readonly GateReason[] }
  | { readonly allowed: false; readonly error: XapiError; readonly reasons: readonly GateReason[] }

export type HostVerdicts = Readonly<Record<HostOperation, Verdict>>

/**
 * The gate (DESIGN section 6): for each host, by its ref, and each host operation, whether it is allowed. The ordinary
 * rules come first, as in stock xapi; then the storage rule raises CLUSTERED_SR_DEGRADED with the ref of the first SR
 * that blocks. Pure and total: what is missing or makes no sense in `pool` blocks.
 *
 * @param now milliseconds of the epoch, on the clock of the snapshot
 * @param srs the guarded SRs of this pool, at this moment. Who remembers what hosts have said must hand them in: to find
 *   them from the reports of the snapshot is to forget what earlier ones have proved
 */
export function decide(
  pool: PoolSnapshot,
  policy: GatePolicy,
  now: number,
  srs: readonly ObservedSr[] = observeSrs(pool, policy, now),
): ReadonlyMap<string, HostVerdicts> {
  const storage = storageRule(pool, policy, srs)
  const nothing = new JoinedReasons([])
  return new Map(
    pool.hosts.map(host => {
      const errors = ordinaryErrors(host, pool)
      const alone = new Set([host.ref])
      let found = nothing
      for (const { concerns, departure } of storage) {
        if (concerns(host.ref)) found = found.and(departure(alone))
      }
      const reasons = withOverrides(found.reasons, pool, host.ref, policy, now)
      const blocking = reasons.find(reason => reason.override === undefined)
      if (blocking !== undefined) setErrors(errors, STORAGE_OPERATIONS, ['CLUSTERED_SR_DEGRADED', blocking.sr])
      const verdicts = tableOfOperations((operation): Verdict => {
        const error = errors[operation]
        const told = STORAGE_OPERATIONS.includes(operation) ? reasons : []
        return error === null ? { allowed: true, reasons: told } : { allowed: false, error, reasons: told }
      })
      return [host.ref, verdicts]
    }),
  )
}

/**
 * The reasons of several SRs one after the other. Hosts that are members of the same SRs have the same ones, so each
 * sequence is joined once and shared: with every report bad, 64 hosts x 8 SRs would else copy 32 768 of them.
 */
class JoinedReasons {
  readonly reasons: readonly GateReason[]
  readonly #longer = new Map<readonly GateReason[], JoinedReasons>()

  constructor(reasons: readonly GateReason[]) {
    this.reasons = reasons
  }

  and(more: readonly GateReason[]): JoinedReasons {
    if (more.length === 0) return this
    let joined = this.#longer.get(more)
    if (joined === undefined) {
      joined = new JoinedReasons([...this.reasons, ...more])
      this.#longer.set(more, joined)
    }
    return joined
  }
}

/**
 * An override lifts the storage rule from its own host only, and the reasons say so; one that is over lifts nothing and
 * is told, lest somebody counts on it. Neither is of interest while nothing blocks.
 */
function withOverrides(
  reasons: readonly GateReason[],
  pool: PoolSnapshot,
  host: string,
  policy: GatePolicy,
  now: number,
): readonly GateReason[] {
  const [first] = reasons
  if (first === undefined || pool.overrides.length === 0) return reasons
  const inForce = overrideInForce(pool, host, policy, now)
  if (inForce !== undefined) return reasons.map(reason => ({ ...reason, override: inForce }))
  const over = pool.overrides.filter(override => override.host === host && !(now < override.expiresMs))
  const [last] = over.toSorted((a, b) => b.expiresMs - a.expiresMs)
  return last === undefined ? reasons : [...reasons, gateReason('override-expired', host, first.sr, { override: last })]
}

/** `host.allowed_operations`: in the enum's order, cut as stock cuts it in a rolling upgrade (xapi_host_helpers.ml:199). */
export function allowedOperations(
  isAllowed: (operation: HostOperation) => boolean,
  { rollingUpgrade }: Pick<PoolSnapshot, 'rollingUpgrade'>,
): readonly HostOperation[] {
  return HOST_OPERATIONS.filter(
    operation => isAllowed(operation) && (!rollingUpgrade || ROLLING_UPGRADE_OPERATIONS.has(operation)),
  )
}

/** What the oldest members of a pool in a rolling upgrade understand (`host_operations_miami`). */
const ROLLING_UPGRADE_OPERATIONS: ReadonlySet<HostOperation> = new Set(['evacuate', 'provision'])
