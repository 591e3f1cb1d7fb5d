import { decideOperation } from './decide.ts'
import type { GatePolicy } from './pool/gate-policy.ts'
import type { XapiError } from './pool/host-operation.ts'
import type { CurrentOperation, PoolSnapshot } from './pool/pool-snapshot.ts'
import type { GateReason } from './reason/gate-reason.ts'
import { type ObservedSr, observeSrs } from './rules/sr-members.ts'

/** A request to begin a host operation, such as a call of `host.reboot`. */
export interface Claim extends CurrentOperation {
  /** Ref of the host. */
  readonly host: string
}

type ClaimAnswer =
  | { readonly ok: true; readonly reasons: readonly GateReason[] }
  | { readonly ok: false; readonly error: XapiError; readonly reasons: readonly GateReason[] }

/**
 * Decides whether one operation may begin.
 *
 * Check and claim must be one step: the caller writes an accepted operation into `currentOperations` of the host before the next
 * claim is decided. Otherwise the second of two reboots in one instant passes, because the first is not visible yet
 * (rook/rook#4290).
 *
 * @param srs see `decide`
 * @returns the answer that `decide` gives for this host and operation; HANDLE_INVALID if the pool has no such host
 */
export function claim(
  pool: PoolSnapshot,
  policy: GatePolicy,
  now: number,
  { host: ref, operation }: Claim,
  srs: readonly ObservedSr[] = observeSrs(pool, policy, now),
): ClaimAnswer {
  const host = pool.hosts.find(each => each.ref === ref)
  if (host === undefined) return { ok: false, error: ['HANDLE_INVALID', 'host', ref], reasons: [] }
  const verdict = decideOperation(pool, policy, now, host, operation, srs)
  if (!verdict.allowed) return { ok: false, error: verdict.error, reasons: verdict.reasons }
  return { ok: true, reasons: verdict.reasons }
}
