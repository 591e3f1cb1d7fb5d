/**
 * The XenAPI records of the embedded pool: a subset of the fields of stock xapi, with their names and types. Records are immutable: a
 * write creates a new record, so a record is its own snapshot.
 */
export type StringMap = Readonly<Record<string, string>>

export const NULL_REF = 'OpaqueRef:NULL'

export type PoolRecord = {
  readonly uuid: string
  readonly name_label: string
  readonly name_description: string
  readonly master: string
  readonly default_SR: string
  readonly ha_enabled: boolean
  readonly tags: readonly string[]
  readonly other_config: StringMap
}

export type HostRecord = {
  readonly uuid: string
  readonly name_label: string
  readonly name_description: string
  readonly hostname: string
  readonly address: string
  readonly enabled: boolean
  readonly metrics: string
  readonly power_on_mode: string
  readonly allowed_operations: readonly string[]
  /** Task ref -> operation. Keys are in the order of insertion: the newest is last. */
  readonly current_operations: StringMap
  readonly resident_VMs: readonly string[]
  readonly PBDs: readonly string[]
  readonly software_version: StringMap
  readonly tags: readonly string[]
  /** Contains `boot_time` and `agent_start_time`, in the form "1795363200." (seconds, as OCaml prints a float). */
  readonly other_config: StringMap
}

export type HostMetricsRecord = {
  readonly uuid: string
  readonly memory_total: number
  readonly memory_free: number
  readonly live: boolean
  readonly last_updated: string
  readonly other_config: StringMap
}

export type SrRecord = {
  readonly uuid: string
  readonly name_label: string
  readonly name_description: string
  readonly type: string
  readonly content_type: string
  readonly shared: boolean
  readonly clustered: boolean
  readonly allowed_operations: readonly string[]
  readonly current_operations: StringMap
  readonly VDIs: readonly string[]
  readonly PBDs: readonly string[]
  readonly virtual_allocation: number
  readonly physical_utilisation: number
  readonly physical_size: number
  readonly tags: readonly string[]
  readonly sm_config: StringMap
  readonly other_config: StringMap
}

export type PbdRecord = {
  readonly uuid: string
  readonly host: string
  readonly SR: string
  readonly device_config: StringMap
  readonly currently_attached: boolean
  readonly other_config: StringMap
}

export type TaskStatus = 'pending' | 'success' | 'failure' | 'cancelling' | 'cancelled'

export type TaskRecord = {
  readonly uuid: string
  readonly name_label: string
  readonly name_description: string
  readonly allowed_operations: readonly string[]
  readonly current_operations: StringMap
  readonly created: string
  readonly finished: string
  readonly status: TaskStatus
  readonly resident_on: string
  readonly progress: number
  readonly type: string
  /** XML-RPC on every transport: `<value>…</value>`, or `''` for void. */
  readonly result: string
  readonly error_info: readonly string[]
  readonly subtask_of: string
  readonly subtasks: readonly string[]
  readonly other_config: StringMap
}

export type MessageRecord = {
  readonly uuid: string
  readonly name: string
  readonly priority: number
  readonly cls: string
  readonly obj_uuid: string
  readonly timestamp: string
  readonly body: string
}

/** Not public: the ref of a session is its credential. */
type SessionRecord = {
  readonly uuid: string
  readonly auth_user_name: string
  /** The name that the client gave itself. */
  readonly originator: string
}

/** Class name, as in method names -> type of its records. */
export interface RecordTypes {
  readonly pool: PoolRecord
  readonly host: HostRecord
  readonly host_metrics: HostMetricsRecord
  readonly SR: SrRecord
  readonly PBD: PbdRecord
  readonly task: TaskRecord
  readonly message: MessageRecord
  readonly session: SessionRecord
}

export type ClassName = keyof RecordTypes

/** The classes that clients may read and follow. */
export const PUBLIC_CLASSES = [
  'pool',
  'host',
  'host_metrics',
  'SR',
  'PBD',
  'task',
  'message',
] as const satisfies readonly ClassName[]

export type PublicClass = (typeof PUBLIC_CLASSES)[number]
