import type { XapiError } from '../../allowed-operations/pool/host-operation.ts'
import type { GateReason } from '../../allowed-operations/reason/gate-reason.ts'

/**
 * The coded failure of one XenAPI call. Only calls throw it; `Dispatcher` turns it into a value. The text of any other error never
 * reaches a client.
 */
export class ApiFailure extends Error {
  readonly description: XapiError

  constructor(...description: XapiError) {
    super(description.join(' '))
    this.description = description
  }
}

/** The gate does not allow an operation. The error of XenAPI names one SR; the reasons name the blocking hosts and causes. */
export class GateRefusal extends ApiFailure {
  readonly reasons: readonly GateReason[]

  constructor(error: XapiError, reasons: readonly GateReason[]) {
    super(...error)
    this.reasons = reasons
  }
}

export function handleInvalid(cls: string, ref: string): ApiFailure {
  return new ApiFailure('HANDLE_INVALID', cls, ref)
}
