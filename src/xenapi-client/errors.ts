/** The toolstack's own refusal: XenAPI's code and parameters. */
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
 * No answer of the toolstack: it cannot be reached, was too slow, or what answered was no XenAPI. Whether the call was
 * carried out is not known.
 */
export class XenApiUnreachable extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(why, options)
    this.name = 'XenApiUnreachable'
  }
}
