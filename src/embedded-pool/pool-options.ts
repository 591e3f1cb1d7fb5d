import type { Timers } from '../platform/time/timers.ts'
import type { OrderEvent, RefusedCall } from '../updater/decision-events.ts'
import type { HostPlugins } from './calls/host-calls.ts'
import type { StateFileError } from './database/state-file.ts'
import type { PoolMember } from './hosts/forgotten-members.ts'
import type { LivenessOptions } from './hosts/heartbeats.ts'
import type { HostMachines, HostOperationGate } from './hosts/host-operation-gate.ts'
import type { FailedLogins } from './sessions/login-brake.ts'
import type { Authenticate } from './sessions/sessions.ts'

export interface PoolOptions {
  readonly gate: HostOperationGate
  readonly machines: HostMachines
  /** Answers host.call_plugin. Default: no host has any plugin. */
  readonly plugins?: HostPlugins
  /** Who may log in, and as what. */
  readonly authenticate: Authenticate
  /** From a wrong password to its answer. Default 1 000. */
  readonly failedLoginDelayMs?: number
  /** Wrong passwords of one address whose answers are waited for at once; one more gets TOO_BUSY. Default 100. */
  readonly maxFailedLogins?: number
  /** Told of logins that have failed: of the first at once, of later ones together, at most every `tellFailedLoginsEveryMs`. */
  readonly onFailedLogins?: (failed: FailedLogins) => void
  /** Default 60 000. */
  readonly tellFailedLoginsEveryMs?: number
  /** Milliseconds of the epoch. Default Date.now. */
  readonly now?: () => number
  readonly timers?: Timers
  /** Milliseconds of a clock that is never set: the life of orders and the cost of work are measured by it. Default performance.now. */
  readonly steadyNow?: () => number
  /** Calls of one user at one address, or of one session of a host, that wait for their turn; one more gets TOO_BUSY. Default 1 000. */
  readonly maxWaitingCalls?: number
  /** From a host's return to its being enabled. Default 1 000. */
  readonly enableDelayMs?: number
  /** How long host.power_on waits for the host to be live. Default 600 000, as stock's power-on plugin. */
  readonly powerOnTimeoutMs?: number
  /** How long after host.reboot or host.shutdown the host may still get its order. Default 60 000. */
  readonly orderLifeMs?: number
  /** Whether a configuration would put a member back that a call takes out of the pool: then it is marked. Default: none. */
  readonly isConfigured?: (member: PoolMember) => boolean
  /** Told of every call that is answered with an error. Must not throw. */
  readonly onRefused?: (refused: RefusedCall) => void
  /** Told what becomes of each order. Must not throw. */
  readonly onOrder?: (event: OrderEvent) => void
  /** Hosts are live by what is heard of them. Default: only hostLeft and hostReturned say who is live. */
  readonly heartbeat?: LivenessOptions
  /**
   * Where the pool is kept across restarts: everything but sessions and tasks. No file there yet is a new pool. It is this
   * process's until `close`: `FILE.lock` keeps others out. Default: nothing is kept.
   */
  readonly stateFile?: string
  /** The directory that shows which processes run. Default `/proc`. */
  readonly procDirectory?: string
  /** From a change to the write of the state file that takes it along. Default 200. */
  readonly stateDelayMs?: number
  /** Told of every write of the state file that failed. It is tried again. */
  readonly onStateProblem?: (problem: StateFileError) => void
  /** How long event.from gathers changes. Default 50, as stock's. */
  readonly eventBatchMs?: number
  /** event.from calls under way at once, those of hosts not counted. Default 200. */
  readonly maxWaitingEventCalls?: number
  /** The same for one session. Default 50. */
  readonly maxWaitingEventCallsPerSession?: number
  /** The same for one user, unless it may operate the pool or is the hosts'. Default 50. */
  readonly maxWaitingEventCallsPerUser?: number
  /** Calls under way at once of those that may take long: host operations, plugins, PBD.plug and the like. Default 1 000. */
  readonly maxCallsUnderWay?: number
  /** How often old tasks are collected. Default 30 000, as stock does. */
  readonly taskCollectionEveryMs?: number
  /** Told of what must not happen: an error of this program behind an INTERNAL_ERROR, a subscriber that throws. */
  readonly onBug?: (bug: unknown) => void
}

/** What holds where the options say nothing. */
export const POOL_DEFAULTS = {
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
  tellFailedLoginsEveryMs: 60_000,
  taskCollectionEveryMs: 30_000,
  stateDelayMs: 200,
  procDirectory: '/proc',
  steadyNow: () => performance.now(),
  onOrder: () => undefined,
  onRefused: () => undefined,
  isConfigured: () => false,
} as const
