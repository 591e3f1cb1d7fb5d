import type { HttpAnswer, HttpStream, StreamRequest } from '../http-server/index.ts'
import type { Report } from '../sync-query/report.ts'
import { levelOf, type NumberedEvent, type SyncEvents } from './sync-events.ts'

export interface EventStreamOptions {
  readonly events: SyncEvents
  /** UUIDs of the SRs that are watched. */
  readonly srs: () => readonly string[]
  readonly report: (sr: string) => Report | null
  readonly maxReaders: number
  /** So often a comment line says that the connection lives, in milliseconds. */
  readonly keepAliveEveryMs: number
}

/** How long a browser waits before it comes back, in milliseconds. */
const RETRY_MS = 2_000

/** Server-sent events (WHATWG HTML, 9.2) of what happens to the SRs; agent-protocol.ts has their data. */
export class EventStream {
  readonly #options: EventStreamOptions
  #readers = 0

  constructor(options: EventStreamOptions) {
    this.#options = options
  }

  open({ query, header }: StreamRequest): HttpStream | HttpAnswer {
    if (this.#readers >= this.#options.maxReaders) {
      return { status: 503, contentType: 'text/plain', body: 'as many read the events already as may\n' }
    }
    // Of the two the header is newer: a browser that comes back sends it along with the address it was given.
    const from = header('last-event-id') ?? query.get('from')
    return { contentType: 'text/event-stream', begin: (send, signal) => this.#begin(from, send, signal) }
  }

  #begin(from: string | null, send: (text: string) => void, signal: AbortSignal): void {
    const { events, keepAliveEveryMs } = this.#options
    this.#readers += 1
    // All in one step: no event can come between what was missed and what is to come.
    const unsubscribe = events.subscribe(event => send(blockOf(event)))
    const keepAlive = setInterval(() => send(':\n\n'), keepAliveEveryMs).unref()
    signal.addEventListener('abort', () => {
      this.#readers -= 1
      clearInterval(keepAlive)
      unsubscribe()
    })
    const missed = from === null || from === '' ? null : events.since(from)
    const isReset = missed === null && from !== null && from !== ''
    const beginning = missed?.map(blockOf).join('') ?? `${isReset ? 'event: reset\ndata: {}\n\n' : ''}${this.#levels()}`
    send(`retry: ${RETRY_MS}\n\n${beginning}`)
  }

  #levels(): string {
    const { events, srs, report } = this.#options
    const reports = srs().flatMap(sr => report(sr) ?? [])
    const levels = reports.map(each => `event: state\ndata: ${JSON.stringify(levelOf(each))}\n\n`)
    return `${levels.join('')}id: ${events.lastId}\n\n`
  }
}

function blockOf({ id, event }: NumberedEvent): string {
  return `event: ${event.kind}\nid: ${id}\ndata: ${JSON.stringify(event.data)}\n\n`
}
