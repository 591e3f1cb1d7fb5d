import type { SyncState } from '../state.ts'

/** What makes a reason go away: waiting is enough, or somebody has to act. */
export type ClearedBy = 'time' | 'operator'

interface ReasonKind {
  /** The state this reason puts its mirror in; `null`: a warning, shown and never blocking. */
  readonly implies: Exclude<SyncState, 'synced'> | null
  readonly clearedBy: ClearedBy
}

/**
 * Every cause that can stand in a judgement of a mirror. TROUBLESHOOTING.md has one entry per code.
 * `clearedBy` is the usual case; a single reason may say otherwise.
 */
export const REASON_KINDS = {
  // data moves, or is about to
  'resync-running': { implies: 'resyncing', clearedBy: 'time' },
  'resync-starting': { implies: 'resyncing', clearedBy: 'time' },
  'resync-waiting': { implies: 'resyncing', clearedBy: 'time' },
  'resync-paused': { implies: 'resyncing', clearedBy: 'operator' },
  'resync-stalled': { implies: 'resyncing', clearedBy: 'operator' },
  'resync-outrun': { implies: 'resyncing', clearedBy: 'time' },
  'resync-pending-write': { implies: 'resyncing', clearedBy: 'operator' },
  'peer-behind': { implies: 'resyncing', clearedBy: 'time' },
  // known, not in sync, and nothing moves
  'no-current-replica': { implies: 'degraded', clearedBy: 'operator' },
  'disk-stuck': { implies: 'degraded', clearedBy: 'operator' },
  'disk-not-up-to-date': { implies: 'degraded', clearedBy: 'operator' },
  'peer-disk-not-up-to-date': { implies: 'degraded', clearedBy: 'operator' },
  'resync-never-began': { implies: 'degraded', clearedBy: 'operator' },
  'peer-not-connected': { implies: 'degraded', clearedBy: 'time' },
  'stand-alone': { implies: 'degraded', clearedBy: 'operator' },
  'split-brain': { implies: 'degraded', clearedBy: 'operator' },
  'replication-off': { implies: 'degraded', clearedBy: 'operator' },
  'rejoined-unrepaired': { implies: 'degraded', clearedBy: 'operator' },
  'peer-removed': { implies: 'degraded', clearedBy: 'time' },
  'peer-missing': { implies: 'degraded', clearedBy: 'operator' },
  // of the gate, which hears both sides: no host can know it of itself
  'left-over-replica': { implies: 'degraded', clearedBy: 'operator' },
  'not-configured': { implies: 'degraded', clearedBy: 'operator' },
  'not-up': { implies: 'degraded', clearedBy: 'operator' },
  'array-degraded': { implies: 'degraded', clearedBy: 'operator' },
  'array-inactive': { implies: 'degraded', clearedBy: 'operator' },
  'member-failed': { implies: 'degraded', clearedBy: 'operator' },
  'member-bad-blocks': { implies: 'degraded', clearedBy: 'operator' },
  'member-blocked': { implies: 'degraded', clearedBy: 'operator' },
  'recovery-frozen': { implies: 'degraded', clearedBy: 'operator' },
  'not-redundant': { implies: 'degraded', clearedBy: 'operator' },
  // what was said is not enough to know
  'unknown-word': { implies: 'unknown', clearedBy: 'operator' },
  'word-missing': { implies: 'unknown', clearedBy: 'time' },
  contradiction: { implies: 'unknown', clearedBy: 'time' },
  'dump-incomplete': { implies: 'unknown', clearedBy: 'time' },
  'events-lost': { implies: 'unknown', clearedBy: 'time' },
  'source-silent': { implies: 'unknown', clearedBy: 'time' },
  'no-mirrors': { implies: 'unknown', clearedBy: 'operator' },
  'mirrors-gone': { implies: 'unknown', clearedBy: 'operator' },
  'peers-unclear': { implies: 'unknown', clearedBy: 'operator' },
  'not-comparable': { implies: 'unknown', clearedBy: 'operator' },
  'memory-unreadable': { implies: 'unknown', clearedBy: 'operator' },
  // shown, never blocking
  'marks-left': { implies: null, clearedBy: 'time' },
  drift: { implies: null, clearedBy: 'operator' },
  'verify-unrepaired': { implies: null, clearedBy: 'operator' },
  'rejoined-unwatched': { implies: null, clearedBy: 'operator' },
  'mismatches-found': { implies: null, clearedBy: 'operator' },
  'member-suspect': { implies: null, clearedBy: 'operator' },
  'single-copy': { implies: null, clearedBy: 'operator' },
  'quorum-lost': { implies: null, clearedBy: 'operator' },
  'pause-left-set': { implies: null, clearedBy: 'operator' },
  'io-suspended': { implies: null, clearedBy: 'operator' },
  'io-failures-forced': { implies: null, clearedBy: 'operator' },
} as const satisfies Record<string, ReasonKind>

export type ReasonCode = keyof typeof REASON_KINDS

/** A coded, parameterised cause. `describe()` makes a sentence of it; programs use the code. */
export interface Reason {
  readonly code: ReasonCode
  /** The mirror it is about: `resource/volume`, or the array's kernel name. */
  readonly mirror: string
  readonly clearedBy: ClearedBy
  /** The peer (DRBD connection name) or member (md device) it is about. */
  readonly peer?: string
  /** The kernel's own word, as it was said. */
  readonly word?: string
  /** What the word was said of, such as `disk`, `replication`, `sync_action`. */
  readonly field?: string
  /** On which side of the copy this host is. The source holds the good data. */
  readonly side?: 'source' | 'target'
  /** 0..1 */
  readonly progress?: number
  readonly outOfSyncBytes?: number
  /** How many replicas are missing or failed. */
  readonly missing?: number
  /** Since when it is so, as this host has seen it: ISO 8601. Said of what stops I/O. */
  readonly since?: string
  /** The object somebody has to look at when it is not `mirror` itself. */
  readonly waitsFor?: string
  /** The replicas among which an operator has to choose. */
  readonly candidates?: readonly Candidate[]
}

/** A replica that is not current, and what is known of it. */
export interface Candidate {
  /** As reasons name peers; `self`: that of the host that gives the reason. */
  readonly peer: string
  /** DRBD's word for its disk. */
  readonly word: string
  /** What is marked as out of sync between it and the host that gives the reason. */
  readonly outOfSyncBytes?: number
  /** Since when it has that word, ISO 8601; absent where the change was not observed. */
  readonly since?: string
  /** It was the source of the last resync that this host has seen. */
  readonly wasSource?: true
}

/** A reason while it is being written. */
export type ReasonDraft = { -readonly [Key in keyof Reason]: Reason[Key] }

type ReasonDetails = Partial<Omit<Reason, 'code' | 'mirror'>>

/** A reason with its code's usual `clearedBy`, unless `details` says otherwise. */
export function reason(code: ReasonCode, mirror: string, details: ReasonDetails = {}): Reason {
  return { code, mirror, clearedBy: REASON_KINDS[code].clearedBy, ...details }
}

/** True unless the reason is a mere warning. */
export function isBlocking(code: ReasonCode): boolean {
  return REASON_KINDS[code].implies !== null
}

/**
 * The resync is held back on the other side, and by nothing here. Whether it is paused there or has to wait its turn is not
 * told to this side (DRBD sends one flag for both).
 */
export function isHeldBackByPeer<Said extends HeldBack>(said: Said): said is Said & { readonly peer: string } {
  return said.code === 'resync-waiting' && said.word === 'peer' && said.peer !== undefined
}

type HeldBack = Pick<Reason, 'peer' | 'word'> & { readonly code: string }

/**
 * The state that a mirror's reasons add up to. Anything not understood makes it `unknown`; otherwise data on the move
 * makes it `resyncing` even while another replica is away; `synced` is what remains when every part was found well.
 */
export function stateFromReasons(reasons: readonly Reason[]): SyncState {
  let state: SyncState = 'synced'
  for (const { code } of reasons) {
    const { implies } = REASON_KINDS[code]
    if (implies === 'unknown') return 'unknown'
    if (implies === 'resyncing') state = 'resyncing'
    else if (implies === 'degraded' && state === 'synced') state = 'degraded'
  }
  return state
}
