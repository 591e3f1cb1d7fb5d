import type { MirrorAnswer, MirrorsAnswer, UnwatchedAnswer } from '../agent-api/answers.ts'
import type { TrackedMirror } from '../sync-query/history/tracked-mirror.ts'
import type { Reason } from '../sync-query/reason/reason.ts'
import { type StateCounts, SYNC_STATES } from '../sync-query/state.ts'

interface SeenMirror {
  readonly mirror: TrackedMirror
  readonly reasons: readonly Reason[]
}

/** More would be read by nobody. */
const MAX_MIRRORS = 200

/** The answer to `SR.mirrors`: those that somebody might want to look at, the worst first. */
export function mirrorsAnswer(counts: Readonly<StateCounts>, mirrors: Iterable<SeenMirror>): MirrorsAnswer {
  const noted: SeenMirror[] = []
  for (const each of mirrors) if (isNotable(each)) noted.push(each)
  noted.sort((a, b) => SYNC_STATES.indexOf(a.mirror.state) - SYNC_STATES.indexOf(b.mirror.state))
  const told = noted.slice(0, MAX_MIRRORS)
  return { counts, mirrors: told.map(mirrorAnswer), omitted: noted.length - told.length }
}

/** The answer to `SR.unwatched`. */
export function unwatchedAnswer({ drbd, md, doubts }: Omit<UnwatchedAnswer, 'omitted'>): UnwatchedAnswer {
  const omitted = Math.max(0, drbd.length - MAX_MIRRORS) + Math.max(0, md.length - MAX_MIRRORS)
  return { drbd: drbd.slice(0, MAX_MIRRORS), md: md.slice(0, MAX_MIRRORS), omitted, doubts }
}

/** A verify of a mirror that is well has no reason, and who has begun one wants to see how far it is. */
function isNotable({ mirror: { state, activity }, reasons }: SeenMirror): boolean {
  return state !== 'synced' || activity !== 'none' || reasons.length > 0
}

function mirrorAnswer({ mirror, reasons }: SeenMirror): MirrorAnswer {
  const { backend, state, activity, progress, etaSeconds, outOfSyncBytes } = mirror.judgement
  const since = new Date(mirror.since).toISOString()
  return { mirror: mirror.mirror, backend, state, activity, since, progress, etaSeconds, outOfSyncBytes, reasons }
}
