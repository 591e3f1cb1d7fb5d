/** Who sends a request, as far as the connection shows. */
export interface RequestClient {
  /**
   * The machine it comes from: an IPv4 address, the /64 network of an IPv6 address, or `''` for a unix socket. Never what a header
   * claims.
   */
  readonly address: string
  /** Whose the connection is, as far as earlier requests on it have shown; `null`: not yet. */
  readonly owner: string | null
  /** The connection is not closed to make room for others. */
  readonly isReserved: boolean
  /**
   * Says whose the connection is, once that is proven: its owner's share counts from then on.
   * @param isReserved the connection is not closed to make room for others, as far as its owner's share goes
   */
  own(owner: string, isReserved: boolean): void
}

/** A whole answer. */
export interface HttpAnswer {
  /** 204: the body is not sent. */
  readonly status: number
  /** Default `application/json`. */
  readonly contentType?: string
  readonly body: string
}

/** An answer that goes on until its reader goes, or is cut off because it does not read. */
export interface HttpStream {
  readonly contentType: string
  /**
   * Begins to send.
   * @param send adds to the answer, after the beginning; after `signal` was aborted it does nothing
   * @param signal aborted, once, when the reader has gone
   * @returns the beginning: its pieces are taken one by one, as fast as they are read, so it may be long
   */
  readonly begin: (send: (text: string) => void, signal: AbortSignal) => Iterable<string>
}

/** What a stream may depend on. */
export interface StreamRequest {
  readonly query: URLSearchParams
  /** The value of a header, by its name in small letters; `null`: it was not sent. */
  readonly header: (name: string) => string | null
}

interface AnswerRoute {
  readonly method: 'GET' | 'POST'
  /** One that ends in `/` stands for every path below it. */
  readonly path: string
  /**
   * Answers. It must not reject: what does is a bug, and the connection is cut.
   * @param body `''` for GET
   * @param signal aborted when the client has gone
   * @param below what follows a `path` that ends in `/`, as it was sent; else `''`
   */
  readonly answer: (
    body: string,
    signal: AbortSignal,
    below: string,
    client: RequestClient,
  ) => HttpAnswer | Promise<HttpAnswer>
  /** The answer to a body that is not UTF-8: what it means nobody knows. Default: status 400. */
  readonly notUtf8?: HttpAnswer
}

interface StreamRoute {
  readonly method: 'GET'
  readonly path: string
  /** Opens a stream, or answers that there is none for this reader. */
  readonly open: (request: StreamRequest) => HttpStream | HttpAnswer
}

export type HttpRoute = AnswerRoute | StreamRoute
