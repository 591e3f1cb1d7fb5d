import type { ClearedBy } from '../../sync-query/reason/reason.ts'
import type { ReportReason } from '../../sync-query/report/report.ts'
import type { SyncState } from '../../sync-query/state.ts'
import type { Override } from '../pool/pool-snapshot.ts'

/** Every cause for which the storage rule blocks, and what usually clears it. TROUBLESHOOTING.md has an entry for each. */
export const GATE_REASON_KINDS = {
  'host-not-live': 'operator',
  'host-going-down': 'time',
  'host-leaving': 'time',
  'host-shut-down': 'operator',
  'told-to-go-and-still-here': 'operator',
  'no-report': 'time',
  'report-unreadable': 'operator',
  'report-unknown-schema': 'operator',
  'report-misplaced': 'operator',
  'report-other-boot': 'time',
  'report-before-boot': 'time',
  'report-before-live': 'time',
  'report-from-future': 'operator',
  'report-superseded': 'operator',
  'report-overtaken': 'time',
  'lease-expired': 'operator',
  'contradicted-by-peer': 'time',
  'not-synced': 'time',
  'sr-missing': 'operator',
  // placement policy only
  'last-replica': 'time',
  'quorum-loss': 'time',
  'peer-unknown': 'operator',
  'mirror-list-missing': 'time',
  'replicas-unknown': 'operator',
  'holder-without-report': 'operator',
  // answers for several hosts at once only
  'one-at-a-time': 'operator',
  // told, never blocking by itself
  'override-expired': 'operator',
} as const satisfies Record<string, ClearedBy>

export type GateReasonCode = keyof typeof GATE_REASON_KINDS

/** Why a host operation is blocked by storage: about which host and which SR, and what makes it go away. */
export interface GateReason {
  readonly code: GateReasonCode
  /** Ref of the host it is about, which need not be the host that is blocked. */
  readonly host: string
  /** Ref of the SR. */
  readonly sr: string
  readonly clearedBy: ClearedBy
  /** What the host's report says, where it counts. */
  readonly state?: SyncState
  /** The causes that the report gives. */
  readonly mirrorReasons?: readonly ReportReason[]
  readonly mirrorReasonsOmitted?: number
  /** The sentence of the problem that made a report unreadable. */
  readonly problem?: string
  /** Ref of the other host that plays a part: the one that contradicts. */
  readonly peer?: string
  /** The mirrors it is about, where they are known by name. */
  readonly mirrors?: readonly string[]
  /** How many mirrors it is about. */
  readonly mirrorCount?: number
  /** Peers that are neither hosts of the pool nor named in the policy. */
  readonly unknownPeers?: readonly string[]
  /** The override that lets the host go nevertheless, or that has expired. */
  readonly override?: Override
}

type GateReasonDetails = Partial<Omit<GateReason, 'code' | 'host' | 'sr'>>

/** A reason with its code's usual `clearedBy`, unless `details` says otherwise. */
export function gateReason(
  code: GateReasonCode,
  host: string,
  sr: string,
  details: GateReasonDetails = {},
): GateReason {
  return { code, host, sr, clearedBy: GATE_REASON_KINDS[code], ...details }
}
