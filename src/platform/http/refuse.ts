import type { IncomingMessage, ServerResponse } from 'node:http'

/** Who sends more than this after the refusal is cut off. */
const MAX_UNWANTED_BYTES = 16_777_216

/**
 * Answers with a status alone, and ends the connection when all of the request has come. It is answered at once, but a
 * connection that is closed while its client still sends is reset, and then the client has an error instead of the answer.
 */
export async function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  response.writeHead(status, { ...headers, connection: 'close', 'content-length': 0 })
  response.flushHeaders()
  let bytes = 0
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += Buffer.isBuffer(chunk) ? chunk.length : 0
      if (bytes > MAX_UNWANTED_BYTES) break
    }
  } catch {
    // It was cut off, as by the time limit for requests.
  }
  response.end()
}
