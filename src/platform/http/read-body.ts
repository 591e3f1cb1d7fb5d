import type { IncomingMessage } from 'node:http'

/**
 * The body of a request or of an answer, whole; nothing of it is kept when it is larger than `maxBytes`.
 * @param mayHold whether so many more bytes may stay in memory
 */
export async function readBody(
  message: IncomingMessage,
  maxBytes: number,
  mayHold: (bytes: number) => boolean = () => true,
): Promise<Buffer | 'too large' | 'too much' | 'cut off'> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    // Destroying a request on the way out would take the connection, and the answer, with it.
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
