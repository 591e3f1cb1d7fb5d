import type { Reason } from '../sync-query/reason/reason.ts'
import type { ReportReason } from '../sync-query/report/report.ts'
import type { TransitionKind } from '../sync-query/sr-state/transition.ts'
import type { Activity, StateCounts, SyncState } from '../sync-query/state.ts'

/**
 * What the agent's socket answers, method by method (`POST /jsonrpc`). Moments are ISO 8601 with a zone; what is not known
 * is `null`. Keys are added in time, none is taken away or given another meaning.
 *
 * | method | parameters | result |
 * |---|---|---|
 * | `SR.list` | `{}` | `{ sr, state }[]` |
 * | `SR.sync_status` | `{ sr }` | `Report` |
 * | `SR.mirrors` | `{ sr }` | `MirrorsAnswer` |
 * | `SR.unwatched` | `{}` | `UnwatchedAnswer` |
 * | `SR.wait_synced` | `{ sr, timeoutSeconds }` | `Report`, when the SR is synced or the time (300 s at most) is over |
 * | `Pool.gate` | `{}` | `GateAnswer` |
 * | `Host.can_reboot` | `{ hosts }`: UUIDs or names | `CanRebootAnswer` |
 * | `Override.set` | `{ host, reason, by, expiresInSeconds }` | `OverrideAnswer` |
 * | `Override.clear` | `{ host }` | `{}` |
 * | `SR.proven_report` | `{ sr, nonce }`: 64 hex digits | `{ report, proof }`: the text as of `report`, and that it is this agent's (poll-proof/index.ts) |
 * | `Order.clear` | `{ host, reason }` | `{}` |
 * | `report`, `status` | `{ sr }`, `{}` | what the XenAPI plugin's functions of these names return, as text |
 *
 * `Pool.*`, `Host.*`, `Override.*`, `Order.*` and `GET /events` are there on the unix socket only: over the network nobody proves who asks.
 */
export interface MirrorsAnswer {
  /** All mirrors of the SR on this host. */
  readonly counts: Readonly<StateCounts>
  /** Those that are not synced, have a warning, or are being verified; at most 200. */
  readonly mirrors: readonly MirrorAnswer[]
  /** How many more there are of them. */
  readonly omitted: number
}

/** What this host has, or should have, and no SR watches. */
export interface UnwatchedAnswer {
  /** Names of DRBD resources; at most 200. */
  readonly drbd: readonly string[]
  /** Names of md arrays; at most 200. */
  readonly md: readonly string[]
  /** How many more there are of both. */
  readonly omitted: number
  /** Why there may be others, for each backend that has not reported everything. */
  readonly doubts: readonly string[]
}

export interface MirrorAnswer {
  readonly mirror: string
  readonly backend: 'drbd' | 'md'
  readonly state: SyncState
  readonly activity: Activity
  /** Since when it is in this state. */
  readonly since: string
  /** 0..1 */
  readonly progress: number | null
  readonly etaSeconds: number | null
  readonly outOfSyncBytes: number | null
  readonly reasons: readonly Reason[]
}

/** A host or an SR, as programs and as people name it. */
export interface Named {
  readonly uuid: string
  readonly name: string
}

/** What the coordinator's gate says of all hosts. */
export interface GateAnswer {
  readonly at: string
  readonly coordinator: Named | null
  readonly hosts: readonly GateHostAnswer[]
}

export interface GateHostAnswer extends Named {
  readonly live: boolean
  readonly enabled: boolean
  /** Every operation of `host.allowed_operations`; `null`: allowed, else XenAPI's error, with UUIDs in place of refs. */
  readonly operations: Readonly<Record<string, readonly string[] | null>>
  /** Of the storage rule, for `reboot` and `shutdown`; also where an override lets the host go nevertheless. */
  readonly reasons: readonly GateReasonAnswer[]
  /** How many more reasons there are: of a large pool that is wholly out of sync not all are told for every host. */
  readonly reasonsOmitted?: number
  readonly override: OverrideAnswer | null
}

export interface GateReasonAnswer {
  /** One of `GATE_REASON_KINDS`, or one that this version does not know. */
  readonly code: string
  /** The host it is about, which need not be the host that is blocked. */
  readonly host: Named
  readonly sr: Named
  readonly clearedBy: 'time' | 'operator'
  /** A sentence for people. */
  readonly text: string
  /** Since when it is so; of a host that is down or silent: when it was last heard, or became live. */
  readonly since: string | null
  readonly state?: SyncState
  /** Of the resync that the host's report tells of: 0..1, and seconds until its end. */
  readonly progress?: number
  readonly etaSeconds?: number
  readonly mirrorReasons?: readonly ReportReason[]
  readonly mirrorReasonsOmitted?: number
}

export interface OverrideAnswer {
  readonly reason: string
  readonly by: string
  readonly expiresAt: string
  /** It lets its host go at this moment. */
  readonly inForce: boolean
}

export interface HostAskedAbout extends Named {
  /** The toolstack reboots no host that is enabled. Absent: an updater of an earlier version does not say. */
  readonly enabled?: boolean
}

/** Whether these hosts may be down together. */
export interface CanRebootAnswer {
  readonly canReboot: boolean
  readonly hosts: readonly HostAskedAbout[]
  /** XenAPI's error of the first host that may not, with UUIDs in place of refs. */
  readonly error: readonly string[] | null
  readonly reasons: readonly GateReasonAnswer[]
  readonly reasonsOmitted?: number
}

/** The codes of JSON-RPC errors beyond those of its specification, each with a sentence as its message. */
export const AGENT_ERROR = {
  /** This host does not watch that SR. */
  notWatched: -32_001,
  /** No toolstack is configured for this agent, so it cannot ask the pool. */
  noToolstack: -32_002,
  /** The toolstack does not answer, or not in time. Whether an override was written is not known. */
  toolstackUnreachable: -32_003,
  /** The toolstack is there, and no updater of this project behind it. */
  noGate: -32_004,
  /** The toolstack refused: `data.error` is XenAPI's error. */
  refused: -32_005,
  /** As many wait for an SR already as may. */
  tooManyWaiters: -32_006,
} as const

/**
 * The data of `event: state` in `GET /events`: how an SR is. Server-sent events, one JSON text each:
 *
 * | event | when | data |
 * |---|---|---|
 * | `state` | for each SR at first and after `reset`; when an SR begins to be watched | `SrStateEvent` |
 * | `transition` | whenever an SR changes, in order | `TransitionEvent` |
 * | `removed` | an SR is watched no longer | `{ sr }` |
 * | `reset` | the id that was asked for is of another run, or older than what is kept (512 events, 4 MiB): the levels come anew | `{}` |
 *
 * Whoever comes back with the id that it has seen last (`Last-Event-ID`, or `?from=ID`) is told everything since. The levels
 * at the beginning have no id of their own; a block with nothing but an id follows them, so half of them are never taken
 * for all. An event may be of a kind that is not named here: it is to be ignored.
 */
export interface SrStateEvent {
  readonly sr: string
  readonly state: SyncState
  readonly since: string
  readonly mirrors: Readonly<StateCounts>
  readonly outOfSyncBytes: number | null
  readonly progress: number | null
  readonly etaSeconds: number | null
  /** The first 10. */
  readonly reasons: readonly ReportReason[]
  readonly reasonsOmitted: number
}

/** What happened, and how the SR is after it. */
export interface TransitionEvent extends SrStateEvent {
  readonly at: string
  readonly transition: TransitionKind
  readonly from: SyncState | null
  readonly to: SyncState
}
