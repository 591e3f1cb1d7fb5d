import type { ProcessPool } from '../platform/file-reader/process-pool.ts'
import type { Clock } from '../platform/time/clock.ts'
import type { BackendName } from './backend-name.ts'
import type { ConfiguredPeers } from './judge/configured-peers.ts'
import type { Observation } from './judge/judgement.ts'
import type { Problem, ProblemCode } from './judge/problem.ts'

/**
 * What this program needs of a backend. An adapter exports one value of this type; nothing outside the adapters depends on a
 * particular backend, except the list in `agent/backends.ts`.
 *
 * `Mirror` is one reading of one mirror, `Configured` is what the backend's configuration files contain.
 */
export interface Backend<Mirror, Configured extends ConfiguredMirrors> extends MirrorJudge<Mirror> {
  /** Reads the kernel's state until the signal aborts. */
  follow(options: FollowOptions): MirrorSource<Mirror>
  /** Reads the configuration files until the signal aborts: one item at once, and one after each change. */
  configured(options: Omit<FollowOptions, 'command'>): AsyncIterable<Configured>
  /**
   * The mirrors that should exist: those in the configuration, and those that an SR selects by a name without `*`.
   *
   * @param patterns of all SRs
   */
  expected(configured: Configured, patterns: readonly string[]): readonly ExpectedMirror[]
  /** The patterns of one SR, and the kernel's names for the configured mirrors that they select. */
  resolve(patterns: readonly string[], configured: Configured): readonly string[]
}

/** The part of a backend that is pure: reading in, judgement out. */
export interface MirrorJudge<Mirror> {
  readonly name: BackendName
  /**
   * Replication pairs have state of their own: mirrors report peers, an SR can ignore peers, and what is owed to a peer is
   * remembered over restarts.
   */
  readonly hasPeers: boolean
  /** Identifies the mirror on this host: `resource/volume`, `md0`. */
  nameOf(mirror: Mirror): string
  /** Every name that a pattern may match; the first one is what operators call it. */
  namesOf(mirror: Mirror): readonly string[]
  judge(mirror: Mirror, context: JudgeContext, when: ReadingTime): Observation
}

/** What the judgement of a mirror depends on besides its reading. */
export interface JudgeContext {
  /** Peers that are not part of the redundancy of any SR of the mirror. */
  readonly ignored: ReadonlySet<string>
  /** The peers that the mirror should have, without the ignored ones; `null`: no configuration names the mirror. */
  readonly configured: ConfiguredPeers | null
}

/** The parts of an observation that all mirrors of one update share. */
interface ReadingTime {
  /** Unix time in milliseconds. */
  readonly at: number
  readonly followsGap: boolean
}

interface FollowOptions {
  /** The directory that stands for `/`. */
  readonly root: string
  /** The backend's tool and its first arguments; empty: work without it. */
  readonly command: readonly string[]
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The processes that read files. */
  readonly pool: ProcessPool
}

/** The updates of one run of a backend, until its signal aborts or it fails. */
export interface MirrorSource<Mirror> extends AsyncIterable<SourceUpdate<Mirror>> {
  /** The latest reading; `null`: no such mirror, or the source doubts what it knows. It repeats everything after a doubt. */
  current(mirror: string): Mirror | null
}

/** Everything that a source has learnt since its previous update. Apply it as a whole: `removed` first, then `changed`. */
export interface SourceUpdate<Mirror> {
  /** Milliseconds since 1970, by this host's clock. */
  readonly at: number
  /** Mirrors that are new or whose reading differs. */
  readonly changed: readonly Mirror[]
  /** Names of mirrors that no longer exist. A mirror that was made anew under its old name is in both lists. */
  readonly removed: readonly string[]
  /** `null`: the source has reported every mirror that exists. Otherwise in a few words why it cannot claim that. */
  readonly doubt: string | null
  /** When the source last read everything or confirmed it, milliseconds since 1970; `null`: never. */
  readonly wholeAt: number | null
  /** What was not understood since the previous update; of very many only the first. */
  readonly problems: readonly Problem[]
  /** Problems by code, listed or not. Absent: `problems` has all. */
  readonly problemCounts?: ReadonlyMap<ProblemCode, number>
  /** False: the doubt is no fault, as at a start. Absent: a doubt is a fault. */
  readonly isFault?: boolean
  /** Complete dumps since the source started, if it counts them. */
  readonly dumps?: number
  /** When the kernel's tool printed the oldest event in this update, milliseconds since 1970; `null` or absent: not known. */
  readonly eventAt?: number | null
}

/** What every backend's configuration has in common. */
export interface ConfiguredMirrors {
  readonly problems: readonly Problem[]
  /** `null`: everything that is configured was read. Otherwise in a few words why there may be more. */
  readonly doubt: string | null
}

/** A mirror that should exist. */
export interface ExpectedMirror {
  /**
   * Its name while it is missing. No mirror that the kernel shows may have this name: `md9` of an ARRAY line with a UUID would
   * match whichever array the kernel calls md9, and its path does not.
   */
  readonly mirror: string
  /** It exists if the kernel shows a mirror with any of these names. Empty: nothing shows whether it exists. */
  readonly shownAs: readonly string[]
  /** Every name that a pattern may match. */
  readonly names: readonly string[]
  /** Only an SR expects it, by a name without `*`. */
  readonly isChoice?: true
  /** The peers in its configuration, for a backend with peers. */
  readonly peers?: ConfiguredPeers
}
