import type { GatePolicy } from './pool/gate-policy.ts'
import {
  HOST_OPERATIONS,
  type HostOperation,
  STORAGE_OPERATIONS,
  tableOfOperations,
  type XapiError,
} from './pool/host-operation.ts'
import { overrideInForce } from './pool/override.ts'
import type { HostSnapshot, PoolSnapshot } from './pool/pool-snapshot.ts'
import { type GateReason, gateReason } from './reason/gate-reason.ts'
import { type ErrorTable, ordinaryErrors, setErrors } from './rules/ordinary-rules.ts'
import { type ObservedSr, observeSrs } from './rules/sr-members.ts'
import type { SrRule } from './rules/sr-rule.ts'
import { storageRules } from './rules/storage-rule.ts'

/**
 * Whether an operation may begin. The reasons are those of the storage rule. They are present also when an ordinary rule gave the
 * error, and when an override allows the operation.
 */
type Verdict =
  | { readonly allowed: true; readonly reasons: readonly GateReason[] }
  | { readonly allowed: false; readonly error: XapiError; readonly reasons: readonly GateReason[] }

export type HostVerdicts = Readonly<Record<HostOperation, Verdict>>

/**
 * The gate (DESIGN section 6): decides for each host, by ref, and each host operation whether it is allowed.
 *
 * The ordinary rules come first, as in stock xapi. Then the storage rule raises CLUSTERED_SR_DEGRADED with the ref of the first
 * SR that blocks. Pure and total: missing or invalid data in `pool` blocks.
 *
 * @param now Unix time in milliseconds, on the clock of the snapshot
 * @param srs the guarded SRs of this pool at this moment. A caller that remembers earlier reports must pass them: the reports of
 *   the snapshot alone do not contain what earlier ones have proved
 */
export function decide(
  pool: PoolSnapshot,
  policy: GatePolicy,
  now: number,
  srs: readonly ObservedSr[] = observeSrs(pool, policy, now),
): ReadonlyMap<string, HostVerdicts> {
  const rules = storageRules(pool, policy, srs)
  const none = new JoinedReasons([])
  return new Map(
    pool.hosts.map(host => {
      const reasons = withOverrides(storageReasons(host.ref, rules, none), pool, host.ref, policy, now)
      const errors = errorsOf(host, pool, reasons)
      return [host.ref, tableOfOperations(operation => verdictOf(operation, errors, reasons))]
    }),
  )
}

/** Decides one operation of one host: the same answer as in the table of `decide`, for less work. */
export function decideOperation(
  pool: PoolSnapshot,
  policy: GatePolicy,
  now: number,
  host: HostSnapshot,
  operation: HostOperation,
  srs: readonly ObservedSr[],
): Verdict {
  if (!STORAGE_OPERATIONS.includes(operation)) return verdictOf(operation, ordinaryErrors(host, pool), [])
  const found = storageReasons(host.ref, storageRules(pool, policy, srs), new JoinedReasons([]))
  const reasons = withOverrides(found, pool, host.ref, policy, now)
  return verdictOf(operation, errorsOf(host, pool, reasons), reasons)
}

function storageReasons(host: string, rules: readonly SrRule[], none: JoinedReasons): readonly GateReason[] {
  const alone = new Set([host])
  let found = none
  for (const { concerns, departure } of rules) {
    if (concerns(host)) found = found.and(departure(alone))
  }
  return found.reasons
}

function errorsOf(host: HostSnapshot, pool: PoolSnapshot, reasons: readonly GateReason[]): ErrorTable {
  const errors = ordinaryErrors(host, pool)
  const blocking = reasons.find(reason => reason.override === undefined)
  if (blocking !== undefined) setErrors(errors, STORAGE_OPERATIONS, ['CLUSTERED_SR_DEGRADED', blocking.sr])
  return errors
}

function verdictOf(operation: HostOperation, errors: ErrorTable, ofStorage: readonly GateReason[]): Verdict {
  const error = errors[operation]
  const reasons = STORAGE_OPERATIONS.includes(operation) ? ofStorage : []
  return error === null ? { allowed: true, reasons } : { allowed: false, error, reasons }
}

/**
 * The reasons of several SRs, one SR after the other. Hosts that are members of the same SRs have the same reasons, so each
 * sequence is joined once and shared: with every report bad, 64 hosts x 8 SRs would otherwise copy 32 768 reasons.
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
 * Adds overrides to the reasons. An override lifts the storage rule from its own host only, and the reasons name it. An expired
 * override lifts nothing; it is added as a reason, because somebody may rely on it. Without reasons there is nothing to lift.
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
  const expired = pool.overrides.filter(override => override.host === host && !(now < override.expiresMs))
  const [last] = expired.toSorted((a, b) => b.expiresMs - a.expiresMs)
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

/** The operations that the oldest members of a pool in a rolling upgrade know (`host_operations_miami`). */
const ROLLING_UPGRADE_OPERATIONS: ReadonlySet<HostOperation> = new Set(['evacuate', 'provision'])
