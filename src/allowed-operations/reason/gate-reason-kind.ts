import type { ClearedBy, Remedy } from '../../sync-query/reason/reason-kind.ts'
import type { ReportReason } from '../../sync-query/report/report.ts'
import type { SyncState } from '../../sync-query/state.ts'
import type { Override } from '../pool/pool-snapshot.ts'

/** The parameters of a gate reason. */
export interface GateReasonDetails {
  /** Ref of the host that the reason is about, which need not be the blocked host. */
  readonly host: string
  /** Ref of the SR. */
  readonly sr: string
  readonly clearedBy: ClearedBy
  /** The state in the host's valid report. */
  readonly state?: SyncState
  /** The reasons in that report. */
  readonly mirrorReasons?: readonly ReportReason[]
  readonly mirrorReasonsOmitted?: number
  /** Why a report is unreadable. */
  readonly problem?: string
  /** Ref of the other host, for example the one that contradicts. */
  readonly peer?: string
  /** Names of the mirrors, if they are known. */
  readonly mirrors?: readonly string[]
  /** Number of the mirrors. */
  readonly mirrorCount?: number
  /** Peers that are neither hosts of the pool nor named in the policy. */
  readonly unknownPeers?: readonly string[]
  /** The override that allows the operation nevertheless, or that has expired. */
  readonly override?: Override
}

/** The parameters with names instead of refs. */
export interface NamedGateReason extends Omit<GateReasonDetails, 'host' | 'sr' | 'peer'> {
  readonly host: string
  readonly sr: string
  readonly peer: string
}

/** Where the commands of a remedy run. `host` is the host that the reason is about. */
type GateRemedyPlace = 'host' | 'coordinator' | 'anywhere'

export type GateRemedy = Remedy<GateRemedyPlace>

/** The objects of a remedy's commands. */
export interface GateRemedyContext {
  readonly host: { readonly uuid: string; readonly name: string }
  /** UUID of the SR. */
  readonly sr: string
  readonly clearedBy: ClearedBy
  /** The reasons in the host's report, if there are any. */
  readonly mirrorReasons?: readonly { readonly code: string }[]
}

/** Everything about one reason of the gate. TROUBLESHOOTING.md has an entry for each code. */
export interface GateReasonKind {
  /** The condition in a few words. */
  readonly title: string
  /** The usual case; a single reason may say otherwise. */
  readonly clearedBy: ClearedBy
  /** Shown only, and does not block. */
  readonly isWarning?: true
  /** One sentence with the names of the objects, without the SR. */
  readonly sentence: (reason: NamedGateReason) => string
  readonly remedy: (context: GateRemedyContext) => GateRemedy
  /** The host is down, going down, or has an order to go down. */
  readonly isAway?: true
  /** The host's replicas are known to be away or not current, whatever its report contains. Absent: their state is not known. */
  readonly implies?: 'degraded'
  /** The reasons of the mirrors in the host's report cause this reason. */
  readonly followsMirrors?: true
  /** The host is on its way down or back: what it and its peers report then is new. */
  readonly isPassing?: true
  /**
   * Where the moment since which the reason exists comes from: the report's `since`, the peer's, the last confirmation of the host's
   * report, or when the host became live. Absent: it is not known.
   */
  readonly since?: 'report' | 'peer-report' | 'last-confirmation' | 'live'
}
