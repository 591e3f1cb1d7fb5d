import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { SyncState } from '../sync-query/state.ts'
import type { Transition } from '../sync-query/transition.ts'

/**
 * A resync of one SR on one host, from the first copied block until the SR is in sync again. `degraded` and `unknown` in between belong
 * to it. Times are milliseconds since 1970.
 */
export interface Episode {
  /** Unique over all hosts, SRs and times. */
  readonly id: string
  readonly startedAt: number
  /** Accurate to 10 %; `null`: never known. */
  readonly mostOutOfSyncBytes: number | null
}

export interface ResyncStarted {
  readonly event: 'started'
  readonly episode: string
  readonly at: number
  /** How many mirrors were resyncing, and how many mirrors there are. */
  readonly resyncing: number
  readonly mirrors: number
  readonly outOfSyncBytes: number | null
}

export interface ResyncFinished {
  readonly event: 'finished'
  readonly episode: string
  readonly at: number
  readonly startedAt: number
  /** False: the end was not observed; it was at some time before `at`. */
  readonly watched: boolean
  readonly mostOutOfSyncBytes: number | null
}

/** The SR is no longer watched, so the end of its resync is not known. No message is sent; the task is cancelled. */
interface ResyncAbandoned {
  readonly event: 'abandoned'
  readonly episode: string
}

export type EpisodeEvent = ResyncStarted | ResyncFinished | ResyncAbandoned

/** The journal is written only if the amount grows by this factor. */
const NOTABLE_GROWTH = 1.1

/**
 * Advances the open episode of an SR (`null`: none) by its transitions and its state. The state counts as well as the transitions: after a
 * restart there is no transition for what happened meanwhile, only a state that differs from the open episode. Pure except for `newId`.
 */
export function advanceEpisode(
  open: Episode | null,
  transitions: readonly Transition[],
  status: SrStatus,
  newId: () => string,
): { readonly open: Episode | null; readonly events: readonly EpisodeEvent[] } {
  let episode = open
  const events: EpisodeEvent[] = []
  const take = (state: SyncState, at: number, watched: boolean) => {
    if (state === 'resyncing' && episode === null) {
      episode = { id: newId(), startedAt: at, mostOutOfSyncBytes: status.outOfSyncBytes }
      events.push(started(episode, status))
    } else if (state === 'synced' && episode !== null) {
      events.push(finished(episode, at, watched))
      episode = null
    }
  }
  for (const { to, at, kind } of transitions) take(to, at, kind === 'resync-finished')
  take(status.state, status.since, false)
  return { open: episode === null || status.state !== 'resyncing' ? episode : grown(episode, status), events }
}

function started({ id, startedAt }: Episode, { mirrors, outOfSyncBytes }: SrStatus): ResyncStarted {
  return {
    event: 'started',
    episode: id,
    at: startedAt,
    resyncing: mirrors.resyncing,
    mirrors: mirrors.synced + mirrors.resyncing + mirrors.degraded + mirrors.unknown,
    outOfSyncBytes,
  }
}

function finished({ id, startedAt, mostOutOfSyncBytes }: Episode, at: number, watched: boolean): ResyncFinished {
  return { event: 'finished', episode: id, at, startedAt, watched, mostOutOfSyncBytes }
}

function grown(episode: Episode, { outOfSyncBytes }: SrStatus): Episode {
  if (outOfSyncBytes === null || outOfSyncBytes <= (episode.mostOutOfSyncBytes ?? -1) * NOTABLE_GROWTH) return episode
  return { ...episode, mostOutOfSyncBytes: outOfSyncBytes }
}
