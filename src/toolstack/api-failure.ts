import type { XapiError } from '../allowed-operations/host-operation.ts'

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

export function handleInvalid(cls: string, ref: string): ApiFailure {
  return new ApiFailure('HANDLE_INVALID', cls, ref)
}
