import type { Problem } from '../../sync-query/judge/judgement.ts'
import type { Report } from '../../sync-query/report/report.ts'
import type { HostOperation } from './host-operation.ts'

/**
 * What the gate knows of a pool at one moment: plain data, refs are XenAPI's OpaqueRefs, moments are milliseconds of
 * the epoch on the clock of the machine that decides, unless said otherwise. `null` is "not known", never "fine".
 */
export interface PoolSnapshot {
  readonly hosts: readonly HostSnapshot[]
  readonly srs: readonly SrSnapshot[]
  readonly pbds: readonly PbdSnapshot[]
  readonly tasks: readonly TaskSnapshot[]
  /** At least the newest of each host and SR; more, and in any order, do no harm: the newest is found. */
  readonly reports: readonly ReceivedReport[]
  /**
   * By ref of the host, what its last heartbeat said of its reports. Absent: heartbeats say nothing of them here.
   * A report of that boot with a lower `seq` than its SR has there is of a state that is over.
   */
  readonly changedSeqs?: {
    get(host: string): { readonly bootId: string; readonly bySr: ReadonlyMap<string, number> } | undefined
  }
  readonly overrides: readonly Override[]
  /** /etc/xapi.d/plugins/power-on-host is there and executable on the machine that decides. */
  readonly powerOnPlugin: boolean
  /** `pool.other_config` has `rolling_upgrade_in_progress`. */
  readonly rollingUpgrade: boolean
}

export interface HostSnapshot {
  readonly ref: string
  readonly uuid?: string
  /** `host.hostname`: what DRBD calls this host on its peers. */
  readonly hostname?: string
  readonly nameLabel?: string
  readonly enabled: boolean
  /** `host_metrics.live`; `null`: the host has no metrics row. */
  readonly live: boolean | null
  /** When `live` last became true. */
  readonly liveSinceMs: number | null
  /** `host.other_config["boot_time"]`, by the host's own clock. */
  readonly bootTimeMs: number | null
  /** The kernel's boot id, where the toolstack has it from another source than the reports. */
  readonly bootId?: string
  readonly powerOnMode: string
  /** In the database's order, newest first: stock's errors name the first that matters. */
  readonly currentOperations: readonly CurrentOperation[]
  /** The field as it is stored now: stock keeps it when its computation raises. */
  readonly allowedOperations: readonly HostOperation[]
  /** `Cluster_host.enabled` of the host's Cluster_host rows; `null`: it has none. */
  readonly clusterHostEnabled: boolean | readonly boolean[] | null
  /** It was told to go down (the call is over, so `currentOperations` no longer says so) and has not come back. */
  readonly leaving: boolean
  /** What it was told to do, where the toolstack keeps that. A host that was told to shut down does not come back by itself. */
  readonly toldTo?: 'reboot' | 'shutdown'
  /** It was told to go down, and a minute later it still runs in the same boot. */
  readonly stillHere?: boolean
}

export interface CurrentOperation {
  /** Ref of the task that does it. */
  readonly task: string
  readonly operation: HostOperation
}

export interface SrSnapshot {
  readonly ref: string
  readonly uuid?: string
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
  /** The peers that its host listed last, by name. Absent: its host has never listed any to this pool. */
  readonly knownPeers?: readonly string[]
}

export interface TaskSnapshot {
  readonly nameLabel: string
  readonly nameDescription: string
}

interface Receipt {
  /** Ref of the host whose PBD or plugin gave it. */
  readonly host: string
  /** Ref of the SR it was given for. */
  readonly sr: string
  /**
   * When the host itself last said it, by push or in answer to a poll. Reading the database again is no confirmation:
   * a report outlives the daemon that wrote it. Who does not know it takes the earlier of the report's `at` and now.
   */
  readonly confirmedAtMs: number
}

/** What came from one host about one SR: a report, or why it could not be read. */
export type ReceivedReport =
  | (Receipt & { readonly report: Report; readonly problem?: never })
  | (Receipt & { readonly problem: Problem; readonly report?: never })

/** An operator lets one host go although the storage rule says no. Kept in the pool's database; never without an end. */
export interface Override {
  /** Ref of the host. */
  readonly host: string
  readonly reason: string
  /** It lifts nothing from this moment on. */
  readonly expiresMs: number
  /** When it was made; absent where whoever asks a what-if question does not say. */
  readonly createdMs?: number
  /** Who made it. */
  readonly by?: string
}
