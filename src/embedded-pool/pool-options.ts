import type { Clock } from '../platform/time/clock.ts'
import type { OrderEvent, RefusedCall } from '../updater/decision-events.ts'
import type { HostPlugins } from './calls/host-calls.ts'
import type { StateFileError } from './database/state-file.ts'
import type { PoolMember } from './hosts/forgotten-members.ts'
import type { LivenessOptions } from './hosts/heartbeats.ts'
import type { HostMachines, HostOperationGate } from './hosts/host-operation-gate.ts'
import type { FailedLogins } from './sessions/login-brake.ts'
import type { Authenticate } from './sessions/sessions.ts'

/** Options of an embedded pool. Durations are in milliseconds. Callbacks (`on…`) must not throw. */
export interface PoolOptions {
  /** `StockPoolOptions` are the options of a pool that behaves as an unmodified xapi. */
  readonly behaveAs?: 'project'
  readonly gate: HostOperationGate
  readonly machines: HostMachines
  readonly clock: Clock
  /** Answers host.call_plugin. Default: no host has a plugin. */
  readonly plugins?: HostPlugins
  /** Checks a password and returns the role of the user. */
  readonly authenticate: Authenticate
  /** Delay of the answer to a wrong password. Default 1 000. */
  readonly failedLoginDelayMs?: number
  /** Wrong passwords of one address whose answers are pending; a further login from it gets TOO_BUSY. Default 100. */
  readonly maxFailedLogins?: number
  /** Called for failed logins: for the first at once, then for all later ones together, once per `reportFailedLoginsEveryMs`. */
  readonly onFailedLogins?: (failed: FailedLogins) => void
  /** Default 60 000. */
  readonly reportFailedLoginsEveryMs?: number
  /** Calls that may wait for their turn, of one user at one address or of one session of a host; a further one gets TOO_BUSY. Default 1 000. */
  readonly maxWaitingCalls?: number
  /** Time from the return of a host until it is enabled. Default 1 000. */
  readonly enableDelayMs?: number
  /** How long host.power_on waits until the host is live. Default 600 000, as the power-on plugin of stock xapi. */
  readonly powerOnTimeoutMs?: number
  /** How long after host.reboot or host.shutdown the host may still fetch its order. Default 60 000. */
  readonly orderLifeMs?: number
  /** Whether a configuration would add a member again that a call removes from the pool; such a member is marked. Default: none. */
  readonly isConfigured?: (member: PoolMember) => boolean
  /** Called for every call that is answered with an error. */
  readonly onRefused?: (refused: RefusedCall) => void
  /** Called for each event in the life of an order. */
  readonly onOrder?: (event: OrderEvent) => void
  /** With it, heartbeats decide which hosts are live. Default: only `hostLeft` and `hostReturned` do. */
  readonly heartbeat?: LivenessOptions
  /**
   * File that keeps the pool across restarts: everything except sessions and tasks. If it does not exist, the pool is new. The
   * process owns the file until `close`: `FILE.lock` keeps other processes out. Default: nothing is kept.
   */
  readonly stateFile?: string
  /** The directory that lists the running processes. Default `/proc`. */
  readonly procDirectory?: string
  /** Time from a change to the write of the state file that includes it. Default 200. */
  readonly stateDelayMs?: number
  /** Called for every failed write of the state file. The write is tried again. */
  readonly onStateProblem?: (problem: StateFileError) => void
  /** How long event.from collects changes before it answers. Default 50, as stock xapi. */
  readonly eventBatchMs?: number
  /** Concurrent event.from calls, without those of hosts. Default 200. */
  readonly maxWaitingEventCalls?: number
  /** Concurrent event.from calls of one session. Default 50. */
  readonly maxWaitingEventCallsPerSession?: number
  /** Concurrent event.from calls of one user, unless its role is pool-operator or above, or host-agent. Default 50. */
  readonly maxWaitingEventCallsPerUser?: number
  /** Concurrent calls of the methods that may take long: host operations, plugins, PBD.plug and the like. Default 1 000. */
  readonly maxCallsUnderWay?: number
  /** Interval of the removal of old tasks. Default 30 000, as stock xapi. */
  readonly taskCollectionEveryMs?: number
  /** Called for an error of this program: the one behind an INTERNAL_ERROR, or one that a subscriber throws. Default: ignored. */
  readonly onBug?: (bug: unknown) => void
}

/** The values of options that are left out. */
export const POOL_DEFAULTS = {
  plugins: async ({ plugin }) => ({ error: ['XENAPI_MISSING_PLUGIN', plugin] }),
  enableDelayMs: 1_000,
  powerOnTimeoutMs: 600_000,
  orderLifeMs: 60_000,
  eventBatchMs: 50,
  maxWaitingEventCalls: 200,
  maxWaitingEventCallsPerSession: 50,
  maxWaitingEventCallsPerUser: 50,
  maxCallsUnderWay: 1_000,
  failedLoginDelayMs: 1_000,
  maxFailedLogins: 100,
  maxWaitingCalls: 1_000,
  reportFailedLoginsEveryMs: 60_000,
  taskCollectionEveryMs: 30_000,
  stateDelayMs: 200,
  procDirectory: '/proc',
  onFailedLogins: () => undefined,
  onRefused: () => undefined,
  onOrder: () => undefined,
  onStateProblem: () => undefined,
  onBug: () => undefined,
  isConfigured: () => false,
} as const satisfies Partial<PoolOptions>
