import type { IncomingMessage } from 'node:http'

/**
 * Reads the complete body of a request or of an answer. A body above `maxBytes` is discarded.
 * @param mayHold whether so many more bytes may be kept in memory
 */
export async function readBody(
  message: IncomingMessage,
  maxBytes: number,
  mayHold: (bytes: number) => boolean = () => true,
): Promise<Buffer | 'too large' | 'too much' | 'cut off'> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    // Destroying the request would also close the connection, before the answer is sent.
    for await (const chunk of message.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(chunk)) continue
      size += chunk.length
      if (size > maxBytes) return 'too large'
      if (!mayHold(chunk.length)) return 'too much'
      chunks.push(chunk)
    }
  } catch {
    return 'cut off'
  }
  return Buffer.concat(chunks)
}
