/** Why a SMAPIv3 call failed, as the toolstack will show it: `code` becomes the XenAPI error's code. */
export class SmapiError extends Error {
  readonly code: string
  readonly params: readonly string[]

  /** @param text what it is in plain words, for logs and backtraces */
  constructor(code: string, params: readonly string[], text: string = [code, ...params].join(': ')) {
    super(text)
    this.name = 'SmapiError'
    this.code = code
    this.params = params
  }
}

/** A failure that only its text explains. The toolstack's SR_BACKEND_FAILURE has three parameters, the second is shown. */
export function backendFailure(text: string): SmapiError {
  return new SmapiError('SR_BACKEND_FAILURE', ['', text, ''], text)
}

/**
 * What a script prints before it fails. With any key missing, xapi-storage-script throws the rest away and says "bad json
 * on stdout" (lib.ml:16-28).
 */
export function errorBody({ code, params, message }: SmapiError): string {
  return JSON.stringify({ code, params, backtrace: { error: message, files: [], lines: [] } })
}
