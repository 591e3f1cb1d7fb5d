/** The error of a SMAPIv3 call, as the toolstack shows it: `code` becomes the code of the XenAPI error. */
export class SmapiError extends Error {
  readonly code: string
  readonly params: readonly string[]

  /** @param text a sentence for logs and backtraces */
  constructor(code: string, params: readonly string[], text: string = [code, ...params].join(': ')) {
    super(text)
    this.name = 'SmapiError'
    this.code = code
    this.params = params
  }
}

/** An error with a sentence only. SR_BACKEND_FAILURE has three parameters, of which the toolstack shows the second. */
export function backendFailure(text: string): SmapiError {
  return new SmapiError('SR_BACKEND_FAILURE', ['', text, ''], text)
}

/**
 * The text that a script prints when its call failed. If a key is missing, xapi-storage-script drops the rest and reports "bad json
 * on stdout" (lib.ml:16-28).
 */
export function errorBody({ code, params, message }: SmapiError): string {
  return JSON.stringify({ code, params, backtrace: { error: message, files: [], lines: [] } })
}
