import type { ServerResponse } from 'node:http'
import type { Clock } from '../time/clock.ts'
import type { HttpStream } from './http-route.ts'

export interface StreamLimits {
  /** A reader with more unread bytes is disconnected, because unread bytes stay in memory. */
  readonly maxUnreadBytes: number
  /** A reader that reads nothing for this long while there is something to read is disconnected. */
  readonly unreadAnswerTimeoutMs: number
}

/** Sends a stream until its reader disconnects or is too slow. @throws what the stream's beginning throws */
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
  /** Texts that are added while the beginning is being sent. */
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
  // The beginning does not count as unread: a reader that missed much would be disconnected each time.
  for (const piece of begin(send, gone)) {
    await new Promise<void>(resolve => write(piece, resolve))
    if (isOver()) return
  }
  isBegun = true
  for (const now of held) now()
}
