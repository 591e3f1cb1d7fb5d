import { type HostOperation, STORAGE_OPERATIONS, tableOfOperations, type XapiError } from '../pool/host-operation.ts'
import type { HostSnapshot, PoolSnapshot } from '../pool/pool-snapshot.ts'

/** The names of operations in stock's errors: `Record_util.host_operation_to_string`. */
const NAMES_IN_ERRORS: Readonly<Record<HostOperation, string>> = {
  provision: 'provision',
  evacuate: 'evacuate',
  shutdown: 'shutdown',
  reboot: 'reboot',
  power_on: 'power_on',
  vm_start: 'VM.start',
  vm_resume: 'VM.resume',
  vm_migrate: 'VM.migrate',
  apply_updates: 'apply_updates',
  enable: 'enable',
}

// vm_start and power_on are in neither group (xapi_host_helpers.ml:49-66).
const ADDING_VMS = ['provision', 'vm_resume', 'vm_migrate'] as const satisfies readonly HostOperation[]
const REMOVING_VMS = ['evacuate', 'reboot', 'shutdown'] as const satisfies readonly HostOperation[]

/** While one of these runs on a host, the excluded operations may not begin there (xapi_host_helpers.ml:68-98). */
const EXCLUSIONS = [
  { running: 'reboot', excludes: ['shutdown', 'apply_updates'] },
  { running: 'shutdown', excludes: ['reboot', 'apply_updates'] },
  { running: 'apply_updates', excludes: ['reboot', 'shutdown', 'enable'] },
  // Two provisions at once would overload dom0.
  { running: 'provision', excludes: ['provision'] },
] as const satisfies readonly { running: HostOperation; excludes: readonly HostOperation[] }[]

/** A table in which the first error of an operation stays. A later rule never replaces it (`set_errors`, :37-45). */
export type ErrorTable = Record<HostOperation, XapiError | null>

export function setErrors(table: ErrorTable, operations: readonly HostOperation[], error: XapiError): void {
  for (const operation of operations) table[operation] ??= error
}

/**
 * The rules of stock xapi that do not concern storage: R1 to R10 of `valid_operations` (xapi_host_helpers.ml:49-126), in its order.
 * Each uses the data of one host only.
 */
export function ordinaryErrors(host: HostSnapshot, pool: Pick<PoolSnapshot, 'powerOnPlugin'>): ErrorTable {
  const table = tableOfOperations<XapiError | null>(() => null)
  setInProgress(table, host, ADDING_VMS, REMOVING_VMS)
  setInProgress(table, host, REMOVING_VMS, ADDING_VMS)
  for (const { running, excludes } of EXCLUSIONS) setInProgress(table, host, [running], excludes)
  if (host.enabled) setErrors(table, STORAGE_OPERATIONS, ['HOST_NOT_DISABLED'])
  if (host.live === true) setErrors(table, ['power_on'], ['HOST_IS_LIVE', host.ref])
  if (host.powerOnMode === '') setErrors(table, ['power_on'], ['HOST_POWER_ON_MODE_DISABLED'])
  if (!pool.powerOnPlugin) setErrors(table, ['power_on'], ['XENAPI_MISSING_PLUGIN', 'power-on-host'])
  return table
}

function setInProgress(
  table: ErrorTable,
  host: HostSnapshot,
  running: readonly HostOperation[],
  blocked: readonly HostOperation[],
): void {
  const first = host.currentOperations.find(({ operation }) => running.includes(operation))
  if (first === undefined) return
  const name = NAMES_IN_ERRORS[first.operation]
  setErrors(table, blocked, ['OTHER_OPERATION_IN_PROGRESS', 'host', host.ref, name, first.task])
}
