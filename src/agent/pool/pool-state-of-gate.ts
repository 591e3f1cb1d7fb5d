import type { GateAnswer, GateReasonAnswer } from '../../agent-api/answers.ts'
import { gateKindOf, isGateBlocking } from '../../allowed-operations/reason/gate-reason.ts'
import { SYNC_STATES, type SyncState } from '../../sync-query/state.ts'
import type { PoolSrState } from '../../volume-plugin/sr-health.ts'

/**
 * The state of each SR of a host over the whole pool, from the gate's reasons: the worst state of a reason that blocks. An SR without
 * such a reason is synced, as far as the pool knows.
 * @param host UUID of the host. Its reasons are those of every member of its SRs.
 */
export function poolStatesOf(answer: GateAnswer, host: string): (sr: string) => PoolSrState {
  const own = answer.hosts.find(({ uuid }) => uuid === host)
  if (own === undefined) return () => ({ state: 'unknown', sentences: ['the gate does not know this host'] })
  return sr => {
    const reasons = own.reasons.filter(reason => reason.sr.uuid === sr && isGateBlocking(reason.code))
    const omitted = own.reasonsOmitted ?? 0
    if (reasons.length === 0 && omitted > 0) {
      return { state: 'unknown', sentences: [`the gate has more reasons than it lists (${omitted} more)`] }
    }
    const states = reasons.map(stateOf)
    const state = SYNC_STATES.find(each => states.includes(each)) ?? 'synced'
    return { state, sentences: reasons.map(({ text }) => text) }
  }
}

/** The state of the mirrors that a reason is about. A reason that blocks never means synced. */
function stateOf({ code, state }: GateReasonAnswer): SyncState {
  if (state !== undefined && state !== 'synced') return state
  return gateKindOf(code)?.implies ?? 'unknown'
}
