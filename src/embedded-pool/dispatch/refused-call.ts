import type { XapiError } from '../../allowed-operations/pool/host-operation.ts'
import type { RefusedCall } from '../../updater/decision-events.ts'
import { ApiFailure, GateRefusal } from '../calls/api-failure.ts'
import type { Call } from '../calls/call.ts'
import type { Database } from '../database/database.ts'

/** Limits of a kept error: its parameters may contain text of the client. */
const MAX_ERROR_ITEMS = 8
const MAX_ITEM_LENGTH = 256

/**
 * Describes a call that was answered with an error.
 * @param called the method and its call; `undefined`: there is no such method
 * @param params with the ref of the session first
 */
export function refusedCall(
  called: { readonly name: string; readonly call: Call } | undefined,
  params: readonly unknown[],
  user: string,
  failure: unknown,
  error: XapiError,
  db: Database,
): RefusedCall {
  const [, about] = params
  const [code, ...details] = error
  const changes = called !== undefined && called.call.role !== null && called.call.role !== 'read-only'
  return {
    method: called?.name ?? '',
    host: typeof about === 'string' && db.has('host', about) ? about : null,
    user,
    error: [code, ...details.slice(0, MAX_ERROR_ITEMS).map(item => item.slice(0, MAX_ITEM_LENGTH))],
    reasons: failure instanceof GateRefusal ? failure.reasons : [],
    isDecision: user !== '' && (changes || (failure instanceof ApiFailure && code === 'RBAC_PERMISSION_DENIED')),
  }
}
