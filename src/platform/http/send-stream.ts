import type { ServerResponse } from 'node:http'
import type { Clock } from '../time/clock.ts'
import type { HttpStream } from './http-route.ts'

export interface StreamLimits {
  /** A reader that leaves more than this unread is cut off: what it does not read stays in memory. */
  readonly maxUnreadBytes: number
  /** So is one that takes nothing at all for this long while there is something. */
  readonly unreadAnswerTimeoutMs: number
}

/** Sends a stream for as long as its reader is there and keeps up. @throws what the stream's beginning throws */
export async function sendStream(
  response: ServerResponse,
  { contentType, begin }: HttpStream,
  { maxUnreadBytes, unreadAnswerTimeoutMs }: StreamLimits,
  gone: AbortSignal,
  clock: Clock,
): Promise<void> {
  let writing = 0
  let cancelTimeout = () => {}
  const watch = () => {
    cancelTimeout()
    if (writing > 0) cancelTimeout = clock.after(unreadAnswerTimeoutMs, () => response.destroy())
  }
  const write = (text: string, onTaken: () => void) => {
    writing += 1
    if (writing === 1) watch()
    response.write(text, () => {
      writing -= 1
      if (!gone.aborted) watch()
      onTaken()
    })
  }
  const isOver = () => gone.aborted || response.destroyed

  let unreadBytes = 0
  /** What comes while the beginning is on its way. */
  const held: (() => void)[] = []
  let isBegun = false
  const send = (text: string) => {
    if (isOver()) return
    const bytes = Buffer.byteLength(text)
    unreadBytes += bytes
    if (unreadBytes > maxUnreadBytes) {
      response.destroy()
      return
    }
    const now = () =>
      write(text, () => {
        unreadBytes -= bytes
      })
    if (isBegun) now()
    else held.push(now)
  }
  if (gone.aborted) return
  gone.addEventListener('abort', () => cancelTimeout())
  response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store', connection: 'close' })
  response.flushHeaders()
  // Not counted as unread: a reader that has much to catch up with would be cut off each time that it comes back.
  for (const piece of begin(send, gone)) {
    await new Promise<void>(resolve => write(piece, resolve))
    if (isOver()) return
  }
  isBegun = true
  for (const now of held) now()
}
