import type { TrackedMirror } from '../sync-query/history/tracked-mirror.ts'
import type { Reason } from '../sync-query/reason/reason.ts'
import { type StateCounts, SYNC_STATES } from '../sync-query/state.ts'
import type { MirrorAnswer, MirrorsAnswer, UnwatchedAnswer } from './answers.ts'

interface MirrorAndReasons {
  readonly mirror: TrackedMirror
  readonly reasons: readonly Reason[]
}

/** A longer list would not be read. */
const MAX_MIRRORS = 200

/** The answer to `SR.mirrors`: the mirrors that need attention, the worst first. */
export function mirrorsAnswer(counts: Readonly<StateCounts>, mirrors: Iterable<MirrorAndReasons>): MirrorsAnswer {
  const notable: MirrorAndReasons[] = []
  for (const each of mirrors) if (isNotable(each)) notable.push(each)
  notable.sort((a, b) => SYNC_STATES.indexOf(a.mirror.state) - SYNC_STATES.indexOf(b.mirror.state))
  const listed = notable.slice(0, MAX_MIRRORS)
  return { counts, mirrors: listed.map(mirrorAnswer), omitted: notable.length - listed.length }
}

/** The answer to `SR.unwatched`. */
export function unwatchedAnswer({ drbd, md, doubts }: Omit<UnwatchedAnswer, 'omitted'>): UnwatchedAnswer {
  const omitted = Math.max(0, drbd.length - MAX_MIRRORS) + Math.max(0, md.length - MAX_MIRRORS)
  return { drbd: drbd.slice(0, MAX_MIRRORS), md: md.slice(0, MAX_MIRRORS), omitted, doubts }
}

/** A verify of a healthy mirror has no reason, but the operator who started it wants to see its progress. */
function isNotable({ mirror: { state, activity }, reasons }: MirrorAndReasons): boolean {
  return state !== 'synced' || activity !== 'none' || reasons.length > 0
}

function mirrorAnswer({ mirror, reasons }: MirrorAndReasons): MirrorAnswer {
  const { backend, state, activity, progress, etaSeconds, outOfSyncBytes } = mirror.judgement
  const since = new Date(mirror.since).toISOString()
  return { mirror: mirror.mirror, backend, state, activity, since, progress, etaSeconds, outOfSyncBytes, reasons }
}
