/** An error that the toolstack raised: XenAPI's code and parameters. */
export class XenApiError extends Error {
  readonly code: string
  readonly params: readonly string[]

  constructor(code: string, params: readonly string[]) {
    super(`${code}(${params.join(', ')})`)
    this.name = 'XenApiError'
    this.code = code
    this.params = params
  }
}

/**
 * The toolstack did not answer: it cannot be reached, is too slow, or what answered is not XenAPI. It is not known whether the call was
 * carried out.
 */
export class XenApiUnreachable extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(why, options)
    this.name = 'XenApiUnreachable'
  }
}
