import type { Backoff } from '../../platform/time/backoff.ts'

/** How long things may take and how often they are done. Milliseconds. */
export interface DrbdSourcePace extends Backoff {
  /** How long the lines of one kernel event may take to arrive; between them its state is half told. */
  readonly gatherMs: number
  /** The same while lines keep coming: a volume is then told once for all that was said of it in between. */
  readonly floodGatherMs: number
  /** How often to look whether the module has been loaded. */
  readonly moduleEveryMs: number
  /** How often to look whether it still is: most tools say so by ending, at once. */
  readonly unloadedEveryMs: number
  /** How long a whole dump may take; a tool that hangs is killed then. */
  readonly dumpTimeoutMs: number
  /** How long a tool may take to end when it is asked to; then it is killed. */
  readonly killAfterMs: number
  /** How long it may take until it is gone, killed or not; then it is given up. */
  readonly abandonAfterMs: number
  /** How often figures are read that DRBD 8.4 does not tell by itself, while data moves. */
  readonly progressEveryMs: number
  /** How long a file of the kernel may take to be read, and after how long one that hung is tried again. */
  readonly readTimeoutMs: number
  readonly readRetryMs: number
  /** How often to read what changed on this host alone while a peer is away: what is out of sync grows without a word. */
  readonly awayEveryMs: number
  /** How often the state of every mirror is confirmed: with `lookTimeoutMs` well below the 15 s after which it is unknown. */
  readonly confirmEveryMs: number
  /** How long drbdsetup may take to confirm it; after that nothing is known until it answers. */
  readonly lookTimeoutMs: number
  /** How often everything is asked again with its figures, which events omit: this, and a little per mirror. */
  readonly verifyEveryMs: number
  readonly verifyEveryMsPerMirror: number
  /** How soon everything is read again after a line was lost, and how often at most: this, and a little per mirror. */
  readonly rereadAfterMs: number
  readonly rereadGapMs: number
  readonly rereadGapMsPerMirror: number
  /** After how long a difference is looked at again before it is believed. */
  readonly confirmAfterMs: number
}

export const DEFAULT_PACE: DrbdSourcePace = {
  gatherMs: 4,
  floodGatherMs: 25,
  moduleEveryMs: 1_000,
  unloadedEveryMs: 5_000,
  firstRetryMs: 250,
  lastRetryMs: 10_000,
  dumpTimeoutMs: 30_000,
  killAfterMs: 2_000,
  abandonAfterMs: 7_000,
  progressEveryMs: 2_000,
  readTimeoutMs: 3_000,
  readRetryMs: 10_000,
  awayEveryMs: 30_000,
  confirmEveryMs: 5_000,
  lookTimeoutMs: 8_000,
  verifyEveryMs: 30_000,
  verifyEveryMsPerMirror: 50,
  rereadAfterMs: 100,
  rereadGapMs: 2_000,
  rereadGapMsPerMirror: 1,
  confirmAfterMs: 500,
}
