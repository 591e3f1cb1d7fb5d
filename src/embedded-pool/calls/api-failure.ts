import type { XapiError } from '../../allowed-operations/pool/host-operation.ts'
import type { GateReason } from '../../allowed-operations/reason/gate-reason.ts'

/** The errors that this pool raises itself: code -> parameters. Codes and parameters are those of stock xapi. */
interface ApiErrors {
  EVENTS_LOST: []
  EVENT_FROM_TOKEN_PARSE_FAILURE: [token: string]
  EVENT_SUBSCRIPTION_PARSE_FAILURE: [subscription: string]
  FIELD_TYPE_ERROR: [parameter: string]
  HANDLE_INVALID: [cls: string, ref: string]
  HOST_CANNOT_DESTROY_SELF: [host: string]
  HOST_IS_LIVE: [host: string]
  HOST_NAME_INVALID: [reason: string]
  HOST_OFFLINE: [host: string]
  INTERNAL_ERROR: [message: string]
  MAP_DUPLICATE_KEY: [cls: string, field: string, ref: string, key: string]
  MESSAGE_METHOD_UNKNOWN: [method: string]
  MESSAGE_PARAMETER_COUNT_MISMATCH: [method: string, expected: string, received: string]
  OPERATION_NOT_ALLOWED: [reason: string]
  OTHER_OPERATION_IN_PROGRESS: [cls: string, ref: string, operation: string, task: string]
  PBD_EXISTS: [sr: string, host: string, pbd: string]
  RBAC_PERMISSION_DENIED: [permission: string, message: string]
  SESSION_AUTHENTICATION_FAILED: [user: string, message: string]
  SESSION_INVALID: [session: string]
  SR_HAS_PBD: [sr: string]
  SR_UUID_EXISTS: [uuid: string]
  TASK_CANCELLED: [task: string]
  TOO_BUSY: []
  TOO_MANY_PENDING_TASKS: []
  UUID_INVALID: [cls: string, uuid: string]
  VALUE_NOT_SUPPORTED: [field: string, value: string, reason: string]
  XENAPI_MISSING_PLUGIN: [plugin: string]
}

type ApiError = { [Code in keyof ApiErrors]: readonly [code: Code, ...parameters: ApiErrors[Code]] }[keyof ApiErrors]

/**
 * The coded failure of one XenAPI call. Only calls throw it; `Dispatcher` turns it into a value. The text of any other error never
 * reaches a client.
 */
export abstract class CallFailure extends Error {
  readonly description: XapiError

  constructor(description: XapiError) {
    super(description.join(' '))
    this.description = description
  }
}

/** An error that this pool raises itself. */
export class ApiFailure extends CallFailure {
  constructor(...description: ApiError) {
    super(description)
  }
}

/** The gate does not allow an operation. The error of XenAPI names one SR; the reasons name the blocking hosts and causes. */
export class GateRefusal extends CallFailure {
  readonly reasons: readonly GateReason[]

  constructor(error: XapiError, reasons: readonly GateReason[]) {
    super(error)
    this.reasons = reasons
  }
}

/** A plugin on a host failed. */
export class PluginFailure extends CallFailure {}

export function handleInvalid(cls: string, ref: string): ApiFailure {
  return new ApiFailure('HANDLE_INVALID', cls, ref)
}
