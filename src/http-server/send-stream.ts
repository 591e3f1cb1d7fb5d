import type { ServerResponse } from 'node:http'
import type { HttpStream } from './http-route.ts'

export interface StreamLimits {
  /** A reader that leaves more than this unread is cut off: what it does not read stays in memory. */
  readonly maxUnreadBytes: number
  /** So is one that takes nothing at all for this long while there is something. */
  readonly unreadAnswerTimeoutMs: number
}

/** Sends a stream for as long as its reader is there and keeps up. */
export function sendStream(
  response: ServerResponse,
  { contentType, begin }: HttpStream,
  { maxUnreadBytes, unreadAnswerTimeoutMs }: StreamLimits,
  gone: AbortSignal,
): void {
  let unread = 0
  let stuck: NodeJS.Timeout | undefined
  const watch = () => {
    clearTimeout(stuck)
    if (unread > 0) stuck = setTimeout(() => response.destroy(), unreadAnswerTimeoutMs).unref()
  }
  gone.addEventListener('abort', () => clearTimeout(stuck))
  const send = (text: string) => {
    if (gone.aborted || response.destroyed) return
    const bytes = Buffer.byteLength(text)
    unread += bytes
    if (unread > maxUnreadBytes) {
      response.destroy()
      return
    }
    if (unread === bytes) watch()
    response.write(text, () => {
      unread -= bytes
      if (!gone.aborted) watch()
    })
  }
  if (gone.aborted) return
  response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store', connection: 'close' })
  response.flushHeaders()
  begin(send, gone)
}
