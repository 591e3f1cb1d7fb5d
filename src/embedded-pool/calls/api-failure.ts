import type { XapiError } from '../../allowed-operations/pool/host-operation.ts'
import type { GateReason } from '../../allowed-operations/reason/gate-reason.ts'

/**
 * The coded failure of one XenAPI call. It is thrown inside a call only; Dispatcher turns it into a value, and no
 * other error's text ever reaches a client.
 */
export class ApiFailure extends Error {
  readonly description: XapiError

  constructor(...description: XapiError) {
    super(description.join(' '))
    this.description = description
  }
}

/** The gate does not allow an operation. XenAPI's error names one SR; the reasons say which host of it blocks, and why. */
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
