import type { Report } from '../../sync-query/report/report.ts'
import type { ReportProblem } from '../../sync-query/report/report-parse.ts'
import type { HostOperation } from './host-operation.ts'

/**
 * The input of the gate: a pool at one moment, as plain data. Refs are XenAPI's OpaqueRefs. Moments are Unix time in milliseconds
 * on the clock of the machine that decides, unless a field says otherwise. `null` means "not known", never "fine".
 */
export interface PoolSnapshot {
  readonly hosts: readonly HostSnapshot[]
  readonly srs: readonly SrSnapshot[]
  readonly pbds: readonly PbdSnapshot[]
  readonly tasks: readonly TaskSnapshot[]
  /** At least the newest report of each host and SR. Older ones, in any order, are allowed: the gate finds the newest. */
  readonly reports: readonly ReceivedReport[]
  /**
   * By ref of the host, the report numbers in its last heartbeat. Absent: heartbeats carry none.
   * A report of that boot with a lower `seq` than its SR has there describes an earlier state.
   */
  readonly changedSeqs?: {
    get(host: string): { readonly bootId: string; readonly bySr: ReadonlyMap<string, number> } | undefined
  }
  readonly overrides: readonly Override[]
  /** /etc/xapi.d/plugins/power-on-host exists and is executable on the machine that decides. */
  readonly powerOnPlugin: boolean
  /** `pool.other_config` contains `rolling_upgrade_in_progress`. */
  readonly rollingUpgrade: boolean
}

export interface HostSnapshot {
  readonly ref: string
  readonly uuid?: string
  /** `host.hostname`: the name of this host in DRBD's connection names. */
  readonly hostname?: string
  readonly nameLabel?: string
  readonly enabled: boolean
  /** `host_metrics.live`; `null`: the host has no metrics row. */
  readonly live: boolean | null
  /** When `live` last became true. */
  readonly liveSinceMs: number | null
  /** `host.other_config["boot_time"]`, by the host's own clock. */
  readonly bootTimeMs: number | null
  /** The kernel's boot id, if the toolstack knows it from a source other than the reports. */
  readonly bootId?: string
  readonly powerOnMode: string
  /** In the database's order, newest first: stock's errors name the first match. */
  readonly currentOperations: readonly CurrentOperation[]
  /** The stored field. Stock keeps it when its computation raises. */
  readonly allowedOperations: readonly HostOperation[]
  /** The host has an order to go down (the call has ended, so `currentOperations` is empty again) and has not come back. */
  readonly leaving: boolean
  /** The order, if the toolstack keeps it. A host with an order to shut down does not come back by itself. */
  readonly toldTo?: 'reboot' | 'shutdown'
  /** The host has had the order for a minute and still runs in the same boot. */
  readonly stillHere?: boolean
}

export interface CurrentOperation {
  /** Ref of its task. */
  readonly task: string
  readonly operation: HostOperation
}

/** A reboot or a shutdown of the host is under way. Afterwards it is `leaving`. */
export function isGoingDown({ currentOperations }: Pick<HostSnapshot, 'currentOperations'>): boolean {
  return currentOperations.some(({ operation }) => operation === 'reboot' || operation === 'shutdown')
}

export interface SrSnapshot {
  readonly ref: string
  readonly uuid?: string
  readonly nameLabel?: string
  readonly clustered: boolean
  readonly type?: string
  readonly otherConfig?: Readonly<Record<string, string>>
}

export interface PbdSnapshot {
  readonly ref: string
  /** Ref of the host. */
  readonly host: string
  /** Ref of the SR. */
  readonly sr: string
  readonly currentlyAttached: boolean
  /** The names of the peers in the last mirror list of its host. Absent: the host has never sent one to this pool. */
  readonly knownPeers?: readonly string[]
}

export interface TaskSnapshot {
  readonly nameLabel: string
  readonly nameDescription: string
}

interface Receipt {
  /** Ref of the host whose PBD or plugin delivered it. */
  readonly host: string
  /** Ref of the SR that it was delivered for. */
  readonly sr: string
  /**
   * When the host itself last confirmed it, by a push or in answer to a poll. Reading the database again is not a confirmation,
   * because a report outlives the daemon that wrote it. If unknown: the earlier of the report's `at` and now.
   */
  readonly confirmedAtMs: number
}

/** A report of one host about one SR, or the reason why it cannot be read. */
export type ReceivedReport =
  | (Receipt & { readonly report: Report; readonly problem?: never })
  | (Receipt & { readonly problem: ReportProblem; readonly report?: never })

/** An operator's permission for one host to go down although the storage rule blocks it. It always expires. */
export interface Override {
  /** Ref of the host. */
  readonly host: string
  readonly reason: string
  /** From this moment on it lifts nothing. */
  readonly expiresMs: number
  /** When it was set; absent in a what-if question that does not state it. */
  readonly createdMs?: number
  /** Who set it. */
  readonly by?: string
}
