import { HOST_AGENT, isAgentCall, mayAct, permissionOf, type Role } from '../sessions/roles.ts'
import { ApiFailure, handleInvalid } from './api-failure.ts'
import type { Arguments, CallTable } from './call.ts'

/** Clients recognise pool-admin by its UUID, which is the same in every stock pool (constants.ml rbac_pool_admin_uuid). */
const ROLE_RECORDS: readonly (readonly [role: Role, uuid: string, description: string])[] = [
  ['pool-admin', '0165f154-ba3e-034e-6b27-5d271af109ba', 'May do everything'],
  ['pool-operator', 'b9ce9791-0604-50cd-0649-09b3284c7dfd', 'May manage hosts and storage'],
  ['vm-power-admin', '7955168d-7bec-10ed-105f-c6a7e6e63249', 'May create and destroy VMs'],
  ['vm-admin', 'aaa00ab5-7340-bfbc-0d1b-7cf342639a6e', 'May manage VMs and templates'],
  ['vm-operator', 'fb8d4ff9-310c-a959-0613-54101535d3d5', 'May use VMs'],
  ['read-only', '7233b8e3-eacb-d7da-2c95-f2e581cdbf4e', 'May read'],
  [HOST_AGENT, '6f5a2a52-9f0e-4a3e-8d55-0d5f6f2c7b11', 'May make the calls of the host agents'],
]

const RECORDS: ReadonlyMap<
  string,
  { readonly uuid: string; readonly name_label: Role; readonly [field: string]: unknown }
> = new Map(
  ROLE_RECORDS.map(([name_label, uuid, name_description]) => [
    `OpaqueRef:${uuid}`,
    { uuid, name_label, name_description, subroles: [], is_internal: false },
  ]),
)

/** The read methods of class role. Permissions are names only; stock xapi has records of them too. */
export function roleCalls(allCalls: () => CallTable): CallTable {
  const recordOf = (args: Arguments) => {
    const ref = args.string('role')
    const record = RECORDS.get(ref)
    if (record === undefined) throw handleInvalid('role', ref)
    return record
  }
  const read = (parameters: number, run: CallTable[string]['run']) => ({ parameters, role: 'read-only' as const, run })
  const found = (field: 'uuid' | 'name_label', value: string) =>
    [...RECORDS].flatMap(([ref, record]) => (record[field] === value ? [ref] : []))
  return {
    'role.get_all': read(0, () => [...RECORDS.keys()]),
    'role.get_all_records': read(0, () => Object.fromEntries(RECORDS)),
    'role.get_record': read(1, recordOf),
    'role.get_by_uuid': read(1, args => {
      const uuid = args.string('uuid')
      const [ref] = found('uuid', uuid)
      if (ref === undefined) throw new ApiFailure('UUID_INVALID', 'role', uuid)
      return ref
    }),
    'role.get_by_name_label': read(1, args => found('name_label', args.string('label'))),
    ...Object.fromEntries(
      ['uuid', 'name_label', 'name_description', 'subroles', 'is_internal'].map(field => [
        `role.get_${field}`,
        read(1, args => recordOf(args)[field]),
      ]),
    ),
    'role.get_permissions_name_label': read(1, args => permissionsOf(recordOf(args).name_label, allCalls())),
  }
}

/** The names of the permissions of a role. */
export function permissionsOf(role: Role, calls: CallTable): readonly string[] {
  return Object.entries(calls).flatMap(([method, call]) =>
    call.role === null || mayAct(role, call.role) || (role === HOST_AGENT && isAgentCall(method))
      ? [permissionOf(method)]
      : [],
  )
}
