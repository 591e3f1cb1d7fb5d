import type {
  HostMetricsRecord,
  HostRecord,
  MessageRecord,
  PbdRecord,
  PoolRecord,
  PublicClass,
  SrRecord,
  TaskRecord,
} from './records.ts'
import { NULL_REF } from './records.ts'
import { EPOCH } from './xapi-datetime.ts'

type With<T, K extends keyof T> = Partial<T> & Pick<T, K>

/** Each function completes the given fields with the defaults of stock xapi. */
export function newPool(given: With<PoolRecord, 'uuid'>): PoolRecord {
  return {
    name_label: '',
    name_description: '',
    master: NULL_REF,
    default_SR: NULL_REF,
    ha_enabled: false,
    tags: [],
    other_config: {},
    ...given,
  }
}

export function newHost(given: With<HostRecord, 'uuid'>): HostRecord {
  return {
    name_label: '',
    name_description: '',
    hostname: '',
    address: '',
    enabled: false,
    metrics: NULL_REF,
    power_on_mode: '',
    allowed_operations: [],
    current_operations: {},
    resident_VMs: [],
    PBDs: [],
    software_version: {},
    tags: [],
    other_config: {},
    ...given,
  }
}

export function newHostMetrics(given: With<HostMetricsRecord, 'uuid'>): HostMetricsRecord {
  return { memory_total: 0, memory_free: 0, live: false, last_updated: EPOCH, other_config: {}, ...given }
}

export function newSr(given: With<SrRecord, 'uuid'>): SrRecord {
  return {
    name_label: '',
    name_description: '',
    type: '',
    content_type: 'user',
    shared: true,
    clustered: false,
    allowed_operations: [],
    current_operations: {},
    VDIs: [],
    PBDs: [],
    virtual_allocation: 0,
    physical_utilisation: 0,
    physical_size: 0,
    tags: [],
    sm_config: {},
    other_config: {},
    ...given,
  }
}

export function newPbd(given: With<PbdRecord, 'uuid'>): PbdRecord {
  return { host: NULL_REF, SR: NULL_REF, device_config: {}, currently_attached: false, other_config: {}, ...given }
}

export function newTask(given: With<TaskRecord, 'uuid'>): TaskRecord {
  return {
    name_label: '',
    name_description: '',
    allowed_operations: [],
    current_operations: {},
    created: EPOCH,
    finished: EPOCH,
    status: 'pending',
    resident_on: NULL_REF,
    progress: 0,
    type: '<none/>',
    result: '',
    error_info: [],
    subtask_of: NULL_REF,
    subtasks: [],
    other_config: {},
    ...given,
  }
}

export function newMessage(given: With<MessageRecord, 'uuid'>): MessageRecord {
  return { name: '', priority: 0, cls: 'Pool', obj_uuid: '', timestamp: EPOCH, body: '', ...given }
}

/** The fields of each class, in the order of its record. */
export const FIELDS: Readonly<Record<PublicClass, readonly string[]>> = {
  pool: Object.keys(newPool({ uuid: '' })),
  host: Object.keys(newHost({ uuid: '' })),
  host_metrics: Object.keys(newHostMetrics({ uuid: '' })),
  SR: Object.keys(newSr({ uuid: '' })),
  PBD: Object.keys(newPbd({ uuid: '' })),
  task: Object.keys(newTask({ uuid: '' })),
  message: Object.keys(newMessage({ uuid: '' })),
}
