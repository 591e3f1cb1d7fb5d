import type { GoingDown } from '../hosts/host-memory.ts'
import type { PoolOptions } from '../pool-options.ts'
import type { Authenticate } from '../sessions/sessions.ts'

type OnlyOfProject =
  | 'behaveAs'
  | 'gate'
  | 'machines'
  | 'authenticate'
  | 'enableDelayMs'
  | 'orderLifeMs'
  | 'onOrder'
  | 'heartbeat'
  | 'isConfigured'
  | 'stateFile'
  | 'procDirectory'
  | 'stateDelayMs'
  | 'onStateProblem'

/** Options of an embedded pool that behaves as an unmodified xapi: no gate is asked, and hosts send no heartbeats. */
export interface StockPoolOptions extends Omit<PoolOptions, OnlyOfProject> {
  readonly behaveAs: 'stock'
  /** Checks a password at the TCP port. The unix sockets accept every user and password. Default: every password is right. */
  readonly authenticate?: Authenticate
  readonly machines?: StockMachines
  readonly drivers?: SrDrivers
  readonly times?: Partial<StockTimes>
}

/** The driver of the machines of the hosts. */
export interface StockMachines {
  /** Called when `/sbin/shutdown` runs on a host. The driver calls `hostReturned` when the host is back. */
  goDown?(hostRef: string, how: GoingDown): void
  /** Switches a host on. Without it host.power_on fails as on a pool without the power-on plugin. */
  powerOn?(hostRef: string): void
}

/** The health of an SR in the answer of its driver to SR.stat. */
export type SrHealth = 'Healthy' | 'Recovering' | 'Unreachable' | 'Unavailable'

/** The storage drivers of the hosts (SMAPIv3). A rejected promise is a failed driver: SR_BACKEND_FAILURE. */
export interface SrDrivers {
  /** Default: every SR is healthy. @param srRef ref of the SR */
  srStat?(srRef: string): Promise<SrHealth>
  /** SR.attach for a PBD on its host. Default: it succeeds at once. @param pbdRef ref of the PBD */
  srAttach?(pbdRef: string): Promise<void>
  /** SR.detach for a PBD on its host. Default: it succeeds at once. */
  srDetach?(pbdRef: string): Promise<void>
  /** Whether SR.stat says `clustered` of SRs of a type. Default: only SRs that are clustered already. */
  isClustered?(srType: string): boolean
}

/**
 * Durations in milliseconds. The defaults were measured on a pool of three unmodified xapi (xen-api e2ee48d688), except `detachAfterMs` and
 * `helloAfterMs`, which are estimates.
 */
export interface StockTimes {
  /** How long host.reboot and host.shutdown run until they return. */
  readonly goDownCallMs: number
  /** How long host.enable, host.disable and host.evacuate run. */
  readonly hostCallMs: number
  /** From the acceptance of a reboot or shutdown until `/sbin/shutdown` runs (xapi_host.ml:888-932). */
  readonly shutdownAfterMs: number
  /** From `/sbin/shutdown` until the PBDs are detached (prepare_for_poweroff). */
  readonly detachAfterMs: number
  /** From `/sbin/shutdown` until the host is disabled and not live (host.shutdown_agent). */
  readonly notLiveAfterMs: number
  /** From the hello of a host until its PBDs are plugged. */
  readonly plugAfterMs: number
  /** From the plug of its PBDs until the host is enabled (consider_enabling_host). */
  readonly enableAfterMs: number
  /** From the last heartbeat of a crashed host until it counts as not live (xapi_globs.ml host_assumed_dead_interval). */
  readonly assumedDeadAfterMs: number
  /** From host.restart_agent until the xapi of that host ends. */
  readonly agentEndsAfterMs: number
  /** From the end of the xapi of a member until its hello. */
  readonly agentStartsAfterMs: number
  /** From SIGTERM until the xapi of the coordinator no longer answers. */
  readonly termMs: number
  /** How long the xapi of the coordinator does not answer. */
  readonly awayMs: number
  /** From its first answer until its start-up destroys all tasks. */
  readonly startUpMs: number
  /** From then until the members say hello. */
  readonly helloAfterMs: number
  /** How often xapi writes its database to disk. */
  readonly flushEveryMs: number
}

export const STOCK_TIMES: StockTimes = {
  goDownCallMs: 35,
  hostCallMs: 5,
  shutdownAfterMs: 10_000,
  detachAfterMs: 500,
  notLiveAfterMs: 2_000,
  plugAfterMs: 400,
  enableAfterMs: 75,
  assumedDeadAfterMs: 600_000,
  agentEndsAfterMs: 1_000,
  agentStartsAfterMs: 9_300,
  termMs: 3_400,
  awayMs: 1_200,
  startUpMs: 250,
  helloAfterMs: 3_000,
  flushEveryMs: 300_000,
}
