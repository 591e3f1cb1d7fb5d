import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import type { Override, PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeOverride, hostName, srName } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReasonCode } from '../allowed-operations/reason/gate-reason.ts'
import type { SyncState } from '../sync-query/state.ts'

/** The state in the valid report of a host, or why its report is not valid. */
export type ReportVerdict = SyncState | GateReasonCode

/** One change for which `host.allowed_operations` may change. Objects are named by their refs. */
export type ChangeCause =
  | { readonly code: PoolCauseCode }
  | { readonly code: 'coordinator-changed' | HostCauseCode; readonly host: string }
  | {
      readonly code: 'operation-began' | 'operation-ended'
      readonly host: string
      readonly operation: HostOperation
      readonly task: string
    }
  | OverrideCause
  | { readonly code: 'sr-guarded' | 'sr-not-guarded' | 'sr-missing'; readonly sr: string }
  | { readonly code: 'pbd-added' | 'pbd-removed' | 'lease-expired'; readonly host: string; readonly sr: string }
  | {
      readonly code: 'report-changed'
      readonly host: string
      readonly sr: string
      readonly before: ReportVerdict
      readonly after: ReportVerdict
    }

/** An override came into force, possibly in place of another, or is no longer in force. */
export interface OverrideCause {
  readonly code: 'override-set' | 'override-removed' | 'override-expired'
  readonly host: string
  readonly override: Override
}

type PoolCauseCode =
  | 'updater-started'
  | 'rolling-upgrade-began'
  | 'rolling-upgrade-ended'
  | 'power-on-plugin-found'
  | 'power-on-plugin-missing'

type HostCauseCode =
  | 'host-added'
  | 'host-removed'
  | 'host-renamed'
  | 'host-live'
  | 'host-not-live'
  | 'host-leaving'
  | 'host-not-leaving'
  | 'host-enabled'
  | 'host-disabled'
  | 'power-on-mode-changed'

/** A sentence for people. Without a pool it names refs. */
export function describeCause(cause: ChangeCause, pool?: Pick<PoolSnapshot, 'hosts' | 'srs'>): string {
  const host = 'host' in cause ? hostName(cause.host, pool) : ''
  const sr = 'sr' in cause ? `SR ${srName(cause.sr, pool)}` : ''
  switch (cause.code) {
    case 'updater-started':
      return 'the updater has started and has no reports yet'
    case 'coordinator-changed':
      return `${host} is the coordinator now; reports to the earlier coordinator are not valid`
    case 'rolling-upgrade-began':
      return 'a rolling upgrade of the pool has begun'
    case 'rolling-upgrade-ended':
      return 'the rolling upgrade of the pool has ended'
    case 'power-on-plugin-found':
      return 'hosts can be powered on'
    case 'power-on-plugin-missing':
      return 'hosts can no longer be powered on'
    case 'host-added':
      return `${host} has joined the pool`
    case 'host-removed':
      return `${host} has left the pool`
    case 'host-renamed':
      return `${host} has another name`
    case 'host-live':
      return `${host} is up`
    case 'host-not-live':
      return `${host} is down`
    case 'host-leaving':
      return `${host} has an order to go down`
    case 'host-not-leaving':
      return `${host} no longer has an order to go down`
    case 'host-enabled':
      return `${host} is enabled`
    case 'host-disabled':
      return `${host} is disabled`
    case 'power-on-mode-changed':
      return `${host} has another power-on mode`
    case 'operation-began':
      return `${cause.operation} of ${host} has begun`
    case 'operation-ended':
      return `${cause.operation} of ${host} has ended`
    case 'override-set':
      return `${host} may go down because of the ${describeOverride(cause.override)}`
    case 'override-removed':
      return `the override for ${host} was removed (${describeOverride(cause.override)})`
    case 'override-expired':
      return `the override for ${host} has expired (${describeOverride(cause.override)})`
    case 'sr-guarded':
      return `${sr} is guarded`
    case 'sr-not-guarded':
      return `${sr} is no longer guarded`
    case 'sr-missing':
      return `${sr} has PBDs and no record`
    case 'pbd-added':
      return `${host} is connected to ${sr}`
    case 'pbd-removed':
      return `${host} is no longer connected to ${sr}`
    case 'lease-expired':
      return `${host} has not confirmed its report of ${sr} in time`
    case 'report-changed':
      return cause.before === cause.after
        ? `the report of ${host} for ${sr} has other reasons: ${cause.after}`
        : `the report of ${host} for ${sr} changed from ${cause.before} to ${cause.after}`
  }
}
