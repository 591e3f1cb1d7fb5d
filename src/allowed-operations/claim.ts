import { decide } from './decide.ts'
import type { GatePolicy } from './pool/gate-policy.ts'
import type { XapiError } from './pool/host-operation.ts'
import type { CurrentOperation, PoolSnapshot } from './pool/pool-snapshot.ts'
import type { GateReason } from './reason/gate-reason.ts'
import type { ObservedSr } from './rules/sr-members.ts'

/** What a call to `host.reboot` or another host operation asks for. */
export interface Claim extends CurrentOperation {
  /** Ref of the host. */
  readonly host: string
}

type ClaimAnswer =
  | { readonly ok: true; readonly pool: PoolSnapshot; readonly reasons: readonly GateReason[] }
  | { readonly ok: false; readonly error: XapiError; readonly reasons: readonly GateReason[] }

/**
 * Check and claim in one step: if the operation is allowed, the answer holds the pool in which it runs, so that whoever
 * asks next is refused. Of two reboots in one instant the second would else pass, for the first is not to be seen yet
 * (rook/rook#4290). The caller must not let anything happen between reading `pool` and keeping the one returned.
 *
 * @param srs see `decide`
 */
export function claim(
  pool: PoolSnapshot,
  policy: GatePolicy,
  now: number,
  { host, operation, task }: Claim,
  srs?: readonly ObservedSr[],
): ClaimAnswer {
  const verdict = decide(pool, policy, now, srs).get(host)?.[operation]
  if (verdict === undefined) return { ok: false, error: ['HANDLE_INVALID', 'host', host], reasons: [] }
  if (!verdict.allowed) return { ok: false, error: verdict.error, reasons: verdict.reasons }
  const hosts = pool.hosts.map(each =>
    each.ref === host ? { ...each, currentOperations: [{ task, operation }, ...each.currentOperations] } : each,
  )
  return { ok: true, pool: { ...pool, hosts }, reasons: verdict.reasons }
}
