import type { GateAnswer, GateReasonAnswer } from '../../agent-api/answers.ts'
import { gateKindOf, isGateBlocking } from '../../allowed-operations/reason/gate-reason.ts'
import { SYNC_STATES, type SyncState } from '../../sync-query/state.ts'
import type { PoolSrState } from '../../volume-plugin/sr-health.ts'

/**
 * How each SR of a host is over the whole pool, by what the gate says: as bad as the worst that speaks against it. An SR that
 * nothing speaks against is synced, as far as the pool knows.
 * @param host UUID of the host whose SRs are asked about: its reasons are those of every member of its SRs
 */
export function poolStatesOf(answer: GateAnswer, host: string): (sr: string) => PoolSrState {
  const own = answer.hosts.find(({ uuid }) => uuid === host)
  if (own === undefined) return () => ({ state: 'unknown', sentences: ['the gate does not know this host'] })
  return sr => {
    const reasons = own.reasons.filter(reason => reason.sr.uuid === sr && isGateBlocking(reason.code))
    const untold = own.reasonsOmitted ?? 0
    if (reasons.length === 0 && untold > 0) {
      return { state: 'unknown', sentences: [`more speaks against this host than can be told (${untold} more)`] }
    }
    const states = reasons.map(stateOf)
    const state = SYNC_STATES.find(each => states.includes(each)) ?? 'synced'
    return { state, sentences: reasons.map(({ text }) => text) }
  }
}

/** What is known of the mirrors that a reason is about; it blocks, so `synced` is none of the answers. */
function stateOf({ code, state }: GateReasonAnswer): SyncState {
  if (state !== undefined && state !== 'synced') return state
  return gateKindOf(code)?.isAway === true ? 'degraded' : 'unknown'
}
