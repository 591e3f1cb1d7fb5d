import { type ClassName, NULL_REF } from '../database/records.ts'
import { EPOCH } from '../database/xapi-datetime.ts'

type Fields = Readonly<Record<string, unknown>>

/**
 * The XenAPI version that this pool implements (`xapi`: the release that its calls are modelled on). Clients select the methods that
 * they call by these fields. A product_brand that is not a hypervisor keeps clients from searching for updates.
 */
const SOFTWARE_VERSION = {
  product_brand: 'resync-monitor',
  product_version: '8.3.0',
  product_version_text: '8.3',
  platform_name: 'XCP',
  platform_version: '3.4.0',
  build_number: '0',
  xapi: '25.31',
}

/**
 * Fields of stock records that never change here: this pool has no VMs, networks, HA, workload balancing or updates. Clients read
 * them without a check for presence, above all Xen Orchestra (xapi-object-to-xo.mjs) and the C# SDK of XenCenter. The fields are
 * not in the database; `publicRecord` adds them.
 */
const FIXED_FIELDS: Readonly<Partial<Record<ClassName, Fields>>> = {
  pool: {
    allowed_operations: [],
    current_operations: {},
    suspend_image_SR: NULL_REF,
    crash_dump_SR: NULL_REF,
    ha_configuration: {},
    ha_statefiles: [],
    ha_host_failures_to_tolerate: 0,
    ha_plan_exists_for: 0,
    ha_allow_overcommit: false,
    ha_overcommitted: false,
    ha_cluster_stack: '',
    ha_reboot_vm_on_internal_shutdown: true,
    blobs: {},
    gui_config: {},
    health_check_config: {},
    wlb_url: '',
    wlb_username: '',
    wlb_enabled: false,
    wlb_verify_cert: false,
    redo_log_enabled: false,
    redo_log_vdi: NULL_REF,
    vswitch_controller: '',
    restrictions: {},
    metadata_VDIs: [],
    guest_agent_config: {},
    cpu_info: {},
    policy_no_vendor_device: false,
    live_patching_disabled: false,
    igmp_snooping_enabled: false,
    uefi_certificates: '',
    custom_uefi_certificates: '',
    is_psr_pending: false,
    tls_verification_enabled: false,
    repositories: [],
    client_certificate_auth_enabled: false,
    client_certificate_auth_name: '',
    repository_proxy_url: '',
    repository_proxy_username: '',
    repository_proxy_password: NULL_REF,
    migration_compression: false,
    coordinator_bias: true,
    local_auth_max_threads: 8,
    ext_auth_max_threads: 1,
    ext_auth_cache_enabled: false,
    telemetry_uuid: NULL_REF,
    telemetry_frequency: 'weekly',
    telemetry_next_collection: EPOCH,
    last_update_sync: EPOCH,
    update_sync_frequency: 'weekly',
    update_sync_day: 0,
    update_sync_enabled: false,
    recommendations: {},
    license_server: {},
  },
  host: {
    memory_overhead: 0,
    API_version_major: 2,
    API_version_minor: 21,
    API_version_vendor: 'XenSource',
    API_version_vendor_implementation: {},
    software_version: SOFTWARE_VERSION,
    capabilities: [],
    cpu_configuration: {},
    sched_policy: '',
    supported_bootloaders: [],
    logging: {},
    PIFs: [],
    suspend_image_sr: NULL_REF,
    crash_dump_sr: NULL_REF,
    crashdumps: [],
    patches: [],
    updates: [],
    host_CPUs: [],
    cpu_info: {},
    license_params: {},
    ha_statefiles: [],
    ha_network_peers: [],
    blobs: {},
    external_auth_type: '',
    external_auth_service_name: '',
    external_auth_configuration: {},
    edition: '',
    license_server: {},
    bios_strings: {},
    power_on_config: {},
    local_cache_sr: NULL_REF,
    chipset_info: {},
    PCIs: [],
    PGPUs: [],
    PUSBs: [],
    ssl_legacy: false,
    guest_VCPUs_params: {},
    display: 'enabled',
    virtual_hardware_platform_versions: [],
    control_domain: NULL_REF,
    updates_requiring_reboot: [],
    features: [],
    iscsi_iqn: '',
    multipathing: false,
    uefi_certificates: '',
    certificates: [],
    editions: [],
    pending_guidances: [],
    pending_guidances_recommended: [],
    pending_guidances_full: [],
    tls_verification_enabled: false,
    last_software_update: EPOCH,
    last_update_hash: '',
    latest_synced_updates_applied: 'unknown',
    https_only: false,
    numa_affinity_policy: 'default_policy',
  },
  SR: { blobs: {}, local_cache_enabled: false, introduced_by: NULL_REF, is_tools_sr: false },
  task: { backtrace: '()' },
}

/** A record as clients see it: with the fields that never change. Fields of the record itself take precedence. */
export function publicRecord<R extends object>(cls: ClassName, record: R): R {
  const fixed = FIXED_FIELDS[cls]
  if (fixed === undefined) return record
  const own = 'software_version' in record ? record.software_version : null
  const software = typeof own === 'object' && own !== null ? { software_version: { ...SOFTWARE_VERSION, ...own } } : {}
  return { ...fixed, ...record, ...software }
}

/** Names of the fields that never change. */
export function fixedFieldsOf(cls: ClassName): readonly string[] {
  return Object.keys(FIXED_FIELDS[cls] ?? {})
}
