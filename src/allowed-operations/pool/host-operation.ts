/**
 * XenAPI's host operations in the order of its enum, which is the order of `host.allowed_operations`
 * (xapi_host_helpers.ml, all_operations).
 */
export const HOST_OPERATIONS = [
  'provision',
  'evacuate',
  'shutdown',
  'reboot',
  'power_on',
  'vm_start',
  'vm_resume',
  'vm_migrate',
  'apply_updates',
  'enable',
] as const

export type HostOperation = (typeof HOST_OPERATIONS)[number]

/** The operations that take the replicas of a host away. `apply_updates` ends in a reboot. */
export const STORAGE_OPERATIONS: readonly HostOperation[] = ['shutdown', 'reboot', 'apply_updates']

/** An error as XenAPI raises it: the code, then its parameters. */
export type XapiError = readonly [code: string, ...params: string[]]

/** For each host operation the error that a call would get, or `null`. */
export type OperationErrors = Readonly<Record<HostOperation, XapiError | null>>

export function isHostOperation(word: string): word is HostOperation {
  return HOST_OPERATIONS.some(operation => operation === word)
}

/** A table with an entry for every operation. */
export function tableOfOperations<T>(entry: (operation: HostOperation) => T): Record<HostOperation, T> {
  return {
    provision: entry('provision'),
    evacuate: entry('evacuate'),
    shutdown: entry('shutdown'),
    reboot: entry('reboot'),
    power_on: entry('power_on'),
    vm_start: entry('vm_start'),
    vm_resume: entry('vm_resume'),
    vm_migrate: entry('vm_migrate'),
    apply_updates: entry('apply_updates'),
    enable: entry('enable'),
  }
}
