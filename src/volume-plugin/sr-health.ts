import { describe, isBlocking } from '../sync-query/reason/reason.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import { type StateCounts, SYNC_STATES, type SyncState } from '../sync-query/state.ts'
import type { SrStat } from './smapi-methods.ts'

/** The state of an SR over all its hosts, as the coordinator knows it. */
export interface PoolSrState {
  readonly state: SyncState
  /** A sentence for each reason why it is not synced. */
  readonly sentences: readonly string[]
}

/** The text is one line on a screen, so further sentences are counted. */
const MAX_SENTENCES = 5

/**
 * The health of an SR for the toolstack: Healthy only if it is synced on this host and, if known, in the whole pool.
 * @param own `null`: this host does not watch the SR (yet)
 * @param pool `null`: this host is not the coordinator
 */
export function healthOf(own: SrStatus | null, pool: PoolSrState | null): SrStat['health'] {
  const state = worse(own?.state ?? 'unknown', pool?.state ?? 'synced')
  if (state === 'synced') return ['Healthy', '']
  const reasons = (own?.reasons ?? []).filter(({ code }) => isBlocking(code))
  const others = [...(own === null ? ['this host does not watch the SR'] : []), ...(pool?.sentences ?? [])]
  const shown = [...reasons.slice(0, MAX_SENTENCES).map(each => describe(each)), ...others].slice(0, MAX_SENTENCES)
  const left = reasons.length + others.length - shown.length
  const more = left > 0 ? [`and ${left} more`] : []
  const what = [...shown, ...more].join('; ')
  return ['Recovering', `${state}${own === null ? '' : amounts(own)}${what === '' ? '' : `: ${what}`}`]
}

/**
 * The health of a sentinel: that of the SR in the worst state on this host. Without SRs it is Healthy, because nothing can be out of sync.
 * @param sentinel the status of the sentinel itself, as in `healthOf`
 * @param others the other SRs of this host
 */
export function sentinelHealthOf(
  sentinel: SrStatus | null,
  others: readonly (readonly [sr: string, status: SrStatus])[],
  pool: PoolSrState | null,
): SrStat['health'] {
  const state = SYNC_STATES.find(each => others.some(([, status]) => status.state === each))
  const worst = others.find(([, status]) => status.state === state)
  if (sentinel === null || worst === undefined || state === 'synced') return healthOf(sentinel, pool)
  const [tag, text] = healthOf(worst[1], pool)
  return [tag, `SR ${worst[0]} is ${text}`]
}

function worse(one: SyncState, other: SyncState): SyncState {
  return SYNC_STATES.find(state => state === one || state === other) ?? 'unknown'
}

function amounts({ mirrors, progress, etaSeconds }: SrStatus): string {
  const far = progress === null ? [] : [`${Math.floor(progress * 1000) / 10} % done`]
  const left = etaSeconds === null ? [] : [`about ${Math.round(etaSeconds)} s left`]
  const parts = [countsOf(mirrors), ...far, ...left].filter(part => part !== '')
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

function countsOf(mirrors: Readonly<StateCounts>): string {
  const all = SYNC_STATES.reduce((sum, state) => sum + mirrors[state], 0)
  return all === mirrors.synced ? '' : `${all - mirrors.synced} of ${all} mirrors`
}
