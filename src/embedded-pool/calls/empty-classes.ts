import { ApiFailure, handleInvalid } from './api-failure.ts'
import type { CallTable } from './call.ts'

/** Classes of stock xapi without objects in this pool. Clients fetch them at login. A `*` marks the classes with a name_label. */
const EMPTY_CLASSES =
  'VM* VM_metrics VM_guest_metrics VM_appliance* VM_group* VMPP* VMSS* VDI* VBD VBD_metrics VIF VIF_metrics VGPU VGPU_type VTPM VUSB ' +
  'network* network_sriov PIF PIF_metrics Bond VLAN tunnel PCI PGPU GPU_group* PUSB USB_group* ' +
  'PVS_site* PVS_server PVS_proxy PVS_cache_storage pool_patch* pool_update* host_patch* host_crashdump host_cpu crashdump console ' +
  'blob* secret subject SM* DR_task Feature* SDN_controller Cluster Cluster_host Certificate Repository* Observer*'

/** The class names in the form that events use. */
export function emptyClassNames(): readonly string[] {
  return EMPTY_CLASSES.toLowerCase().replaceAll('*', '').split(' ')
}

/** The read methods of the empty classes: lists are empty, and no ref or UUID is valid. */
export function emptyClassCalls(): CallTable {
  return Object.fromEntries(
    EMPTY_CLASSES.split(' ').flatMap(name => {
      const cls = name.replace('*', '')
      return Object.entries(callsOf(cls, name !== cls))
    }),
  )
}

function callsOf(cls: string, hasName: boolean): CallTable {
  const empty = (parameters: number, result: () => unknown) => ({
    parameters,
    role: 'read-only' as const,
    run: result,
  })
  const ofRef: CallTable[string] = {
    parameters: 1,
    role: 'read-only',
    run: args => {
      throw handleInvalid(cls, args.string(cls))
    },
  }
  return {
    [`${cls}.get_all`]: empty(0, () => []),
    [`${cls}.get_all_records`]: empty(0, () => ({})),
    [`${cls}.get_all_where`]: empty(1, () => []),
    [`${cls}.get_all_records_where`]: empty(1, () => ({})),
    [`${cls}.get_record`]: ofRef,
    [`${cls}.get_uuid`]: ofRef,
    [`${cls}.get_by_uuid`]: {
      parameters: 1,
      role: 'read-only',
      run: args => {
        throw new ApiFailure('UUID_INVALID', cls, args.string('uuid'))
      },
    },
    ...(hasName ? { [`${cls}.get_name_label`]: ofRef, [`${cls}.get_by_name_label`]: empty(1, () => []) } : {}),
  }
}
