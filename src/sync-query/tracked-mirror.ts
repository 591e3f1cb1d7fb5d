import { type Judgement, progressBeforeEnd } from './judgement.ts'
import { type Reason, reason } from './reason.ts'
import { type Transition, transitionKind } from './transition.ts'

/** How long things may stand still. Milliseconds. */
export interface Patience {
  /** A resync whose out-of-sync bytes do not fall for this long is `stalled`. */
  readonly stalledAfterMs: number
  /** A handshake (WFBitMap*, StartingSync*) that lasts this long is `stalled`; in health it takes seconds. */
  readonly startingAfterMs: number
  /** An estimate older than this is not shown: after a link is cut the kernel's last word stays for ever. */
  readonly estimateValidMs: number
  /** A resync that waits for another while none runs on this host needs an operator after this long. */
  readonly waitingInVainAfterMs: number
}

export const DEFAULT_PATIENCE: Patience = {
  stalledAfterMs: 5 * 60_000,
  startingAfterMs: 60_000,
  estimateValidMs: 20_000,
  waitingInVainAfterMs: 30_000,
}

/** One look at a mirror. */
export interface Observation {
  readonly judgement: Judgement
  /** Milliseconds since 1970. */
  readonly at: number
  /**
   * The source speaks of progress by itself while data moves, so its silence means that nothing does. False for the
   * events of DRBD 8.4, which carry no progress: there only a second look that finds the same figure proves a stall.
   */
  readonly silenceMeansStall: boolean
}

/** One resync of one mirror, from its first sign to its end. */
interface ResyncEpisode {
  readonly startedAt: number
  /** The largest amount seen: activity-log extents are added when a crashed primary returns, so the first figure may be too small. */
  readonly totalBytes: number | null
  readonly leastOutOfSyncBytes: number | null
  /** The largest progress shown; what is on screen never jumps back. */
  readonly shownProgress: number | null
  /** When the figures last got better. */
  readonly fellAt: number
  readonly looked: { readonly at: number; readonly silenceMeansStall: boolean }
}

/** What a verify found, kept until a real resync repairs it or a later verify is clean. */
interface VerifyMemory {
  readonly running: boolean
  readonly foundBytes: number
}

/** A mirror with its history: what one look cannot tell (stalled, unrepaired, since when, steady progress). */
export interface TrackedMirror {
  /** The last look, with what only memory knows worked into its reasons and figures. */
  readonly judgement: Judgement
  /** When the present state was entered, milliseconds since 1970. */
  readonly since: number
  readonly stalled: boolean
  readonly paused: boolean
  /** A resync has begun since it was last in sync. */
  readonly resynced: boolean
  /** The last look as it was, to be judged anew as time passes. */
  readonly seen: Observation
  readonly episode: ResyncEpisode | null
  readonly verify: VerifyMemory
}

export interface Tracked {
  readonly mirror: TrackedMirror
  readonly transitions: readonly Transition[]
}

/** Adds one look to what is known of a mirror. `previous` is `null` when it is seen for the first time. */
export function track(previous: TrackedMirror | null, seen: Observation, patience: Patience): Tracked {
  const episode = nextEpisode(previous?.episode ?? null, seen)
  const verify = nextVerify(previous?.verify ?? { running: false, foundBytes: 0 }, seen.judgement)
  return settle(previous, seen, episode, verify, seen.at, patience)
}

/** Lets time pass without a new look: estimates grow old, standing still becomes a stall. */
export function age(previous: TrackedMirror, now: number, patience: Patience): Tracked {
  return settle(previous, previous.seen, previous.episode, previous.verify, now, patience)
}

function settle(
  previous: TrackedMirror | null,
  seen: Observation,
  episode: ResyncEpisode | null,
  verify: VerifyMemory,
  now: number,
  patience: Patience,
): Tracked {
  const { state } = seen.judgement
  const stalled = episode !== null && hasStalled(episode, seen.judgement, now, patience)
  const paused = seen.judgement.reasons.some(each => each.code === 'resync-paused')
  const judgement = withHistory(seen.judgement, episode, verify, stalled, isFresh(episode, now, patience))
  const from = previous?.judgement.state ?? null
  const resynced = state === 'resyncing' || previous?.resynced === true
  const kind = transitionKind(from, state, resynced)
  const transitions: Transition[] = []
  if (kind !== null) transitions.push({ at: now, kind, from, to: state })
  if (stalled && previous?.stalled !== true) transitions.push({ at: now, kind: 'stalled', from, to: state })
  if (paused && previous?.paused !== true) transitions.push({ at: now, kind: 'paused', from, to: state })
  const since = previous !== null && from === state ? previous.since : now
  const mirror = { judgement, since, stalled, paused, resynced: resynced && state !== 'synced', seen, episode, verify }
  return { mirror, transitions }
}

function nextEpisode(
  previous: ResyncEpisode | null,
  { judgement, at, silenceMeansStall }: Observation,
): ResyncEpisode | null {
  // A source that fell silent says nothing of the resync: it goes on in the kernel, and so does what is known of it.
  if (judgement.state === 'unknown') return previous
  if (judgement.state !== 'resyncing') return null
  const looked = { at, silenceMeansStall }
  const out = judgement.outOfSyncBytes
  const progress = progressBeforeEnd(judgement.progress)
  if (previous === null) {
    return {
      startedAt: at,
      totalBytes: judgement.totalBytes ?? out,
      leastOutOfSyncBytes: out,
      shownProgress: progress,
      fellAt: at,
      looked,
    }
  }
  // Bits set for the handshake are counted down only once data moves: before that a smaller figure is no progress.
  const fell = out !== null && previous.leastOutOfSyncBytes !== null && out < previous.leastOutOfSyncBytes
  const totalBytes = judgement.totalBytes ?? largest(previous.totalBytes, out)
  const computed = progress ?? shareDone(totalBytes, out)
  const rose = computed !== null && previous.shownProgress !== null && computed > previous.shownProgress
  return {
    startedAt: previous.startedAt,
    totalBytes,
    leastOutOfSyncBytes:
      out === null ? previous.leastOutOfSyncBytes : Math.min(out, previous.leastOutOfSyncBytes ?? out),
    shownProgress: rose ? computed : (previous.shownProgress ?? computed),
    fellAt: fell || rose ? at : previous.fellAt,
    looked,
  }
}

/** A verify's finds: the largest amount it saw, forgotten only when data was really copied or a later verify saw none. */
function nextVerify(previous: VerifyMemory, judgement: Judgement): VerifyMemory {
  if (judgement.reasons.some(each => each.code === 'resync-running')) return { running: false, foundBytes: 0 }
  if (judgement.activity !== 'verify') return previous.running ? { ...previous, running: false } : previous
  const found = judgement.outOfSyncBytes ?? 0
  return { running: true, foundBytes: previous.running ? Math.max(previous.foundBytes, found) : found }
}

function hasStalled(episode: ResyncEpisode, judgement: Judgement, now: number, patience: Patience): boolean {
  // Waiting and pausing stand still by design and have their own reasons.
  const running = judgement.reasons.some(each => each.code === 'resync-running')
  const starting = judgement.reasons.some(each => each.code === 'resync-starting' || each.code === 'peer-behind')
  if (!running && !starting) return false
  const lastSign = episode.looked.silenceMeansStall ? now : episode.looked.at
  return lastSign - episode.fellAt >= (running ? patience.stalledAfterMs : patience.startingAfterMs)
}

function isFresh(episode: ResyncEpisode | null, now: number, patience: Patience): boolean {
  return episode === null || now - episode.fellAt <= patience.estimateValidMs
}

function withHistory(
  judgement: Judgement,
  episode: ResyncEpisode | null,
  verify: VerifyMemory,
  stalled: boolean,
  fresh: boolean,
): Judgement {
  let reasons: readonly Reason[] = judgement.reasons
  if (stalled) reasons = reasons.map(asStalled)
  if (verify.foundBytes > 0 && !verify.running && judgement.outOfSyncBytes === 0) {
    reasons = [...reasons, reason('verify-unrepaired', judgement.mirror, { outOfSyncBytes: verify.foundBytes })]
  }
  const etaSeconds = fresh && !stalled ? judgement.etaSeconds : null
  if (episode === null || judgement.state === 'unknown') {
    const isAsSeen = etaSeconds === judgement.etaSeconds && reasons === judgement.reasons
    return isAsSeen ? judgement : { ...judgement, etaSeconds, reasons }
  }
  const { totalBytes, shownProgress: progress } = episode
  const doneBytes = judgement.doneBytes ?? doneOf(totalBytes, judgement.outOfSyncBytes)
  return { ...judgement, progress, doneBytes, totalBytes, etaSeconds, reasons }
}

function asStalled(each: Reason): Reason {
  const moves = each.code === 'resync-running' || each.code === 'resync-starting' || each.code === 'peer-behind'
  return moves ? { ...each, code: 'resync-stalled', clearedBy: 'operator' } : each
}

function largest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b
  return Math.max(a, b)
}

function doneOf(totalBytes: number | null, outOfSyncBytes: number | null): number | null {
  return totalBytes === null || outOfSyncBytes === null ? null : Math.max(0, totalBytes - outOfSyncBytes)
}

function shareDone(totalBytes: number | null, outOfSyncBytes: number | null): number | null {
  const done = doneOf(totalBytes, outOfSyncBytes)
  return done === null || totalBytes === null || totalBytes === 0 ? null : progressBeforeEnd(done / totalBytes)
}
