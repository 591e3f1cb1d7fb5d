import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/sr-state/transition.ts'
import type { SyncState } from '../sync-query/state.ts'

/**
 * A resync of one SR as one host sees it, from its first copied block to the SR being in sync again. `degraded` and
 * `unknown` in between are part of it. Times are milliseconds since 1970.
 */
export interface Episode {
  /** Unique over all hosts, SRs and times. */
  readonly id: string
  readonly startedAt: number
  /** To within a tenth; `null`: never said. */
  readonly mostOutOfSyncBytes: number | null
}

export interface ResyncStarted {
  readonly event: 'started'
  readonly episode: string
  readonly at: number
  /** How many mirrors were resyncing, of how many. */
  readonly resyncing: number
  readonly mirrors: number
  readonly outOfSyncBytes: number | null
}

export interface ResyncFinished {
  readonly event: 'finished'
  readonly episode: string
  readonly at: number
  readonly startedAt: number
  /** False: it ended while this host was not looking, at some time before `at`. */
  readonly watched: boolean
  readonly mostOutOfSyncBytes: number | null
}

/** The SR is not watched any more, so nobody knows how its resync ends. No message tells of it; its task is ended. */
interface ResyncAbandoned {
  readonly event: 'abandoned'
  readonly episode: string
}

export type EpisodeEvent = ResyncStarted | ResyncFinished | ResyncAbandoned

/** Growth below this is not worth a write of the journal. */
const NOTABLE_GROWTH = 1.1

/**
 * What the edges and the level of an SR mean for its open episode (`null`: none). The level counts as well as the edges:
 * after a restart there are no edges of what happened meanwhile, only a state that differs from what was open before.
 * Pure but for `newId`.
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
