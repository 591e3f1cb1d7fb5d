/** The sender of a request, as far as the connection identifies it. */
export interface RequestClient {
  /**
   * The machine of the sender: an IPv4 address, the /64 network of an IPv6 address, or `''` for a unix socket. Headers do not count.
   */
  readonly address: string
  /** The owner of the connection, from earlier requests on it; `null`: unknown. */
  readonly owner: string | null
  /** True: the connection is not closed to make room for others. */
  readonly isReserved: boolean
  /**
   * Sets the owner of the connection, once it is authenticated. The connection counts to the owner's share from then on.
   * @param isReserved do not close the connection to make room for others, within the owner's share
   */
  own(owner: string, isReserved: boolean): void
}

/** A complete answer. */
export interface HttpAnswer {
  /** 204: the body is not sent. */
  readonly status: number
  /** Default `application/json`. */
  readonly contentType?: string
  readonly body: string
  /** The connection is closed after the answer. */
  readonly closes?: true
}

/** An answer that continues until its reader disconnects, or is disconnected because it does not read. */
export interface HttpStream {
  readonly contentType: string
  /**
   * Starts the stream.
   * @param send appends to the answer, after the beginning; without effect after `signal` was aborted
   * @param signal aborted when the reader has disconnected
   * @returns the beginning. Its pieces are taken one by one, as fast as the reader reads, so it may be long.
   */
  readonly begin: (send: (text: string) => void, signal: AbortSignal) => Iterable<string>
}

/** The parts of a request that a stream may depend on. */
export interface StreamRequest {
  readonly query: URLSearchParams
  /** The value of a header, by its name in lower case; `null`: it was not sent. */
  readonly header: (name: string) => string | null
}

interface AnswerRoute {
  readonly method: 'GET' | 'POST'
  /** A path that ends in `/` includes every path below it. */
  readonly path: string
  /**
   * Answers a request. It must not reject: a rejection is a bug, and the connection is closed.
   * @param body `''` for GET
   * @param signal aborted when the client has disconnected
   * @param below the rest after a `path` that ends in `/`, as it was sent; otherwise `''`
   */
  readonly answer: (
    body: string,
    signal: AbortSignal,
    below: string,
    client: RequestClient,
  ) => HttpAnswer | Promise<HttpAnswer>
  /** The answer to a body that is not UTF-8. Default: status 400. */
  readonly notUtf8?: HttpAnswer
  /** The answer to a body that is too large. Default: status 413. */
  readonly tooLarge?: HttpAnswer
}

interface StreamRoute {
  readonly method: 'GET'
  readonly path: string
  /** Returns the stream, or an answer that refuses it. */
  readonly open: (request: StreamRequest) => HttpStream | HttpAnswer
}

export type HttpRoute = AnswerRoute | StreamRoute
