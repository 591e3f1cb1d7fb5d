import type { HttpAnswer, HttpStream, StreamRequest } from '../platform/http/http-route.ts'
import type { Clock } from '../platform/time/clock.ts'
import type { Report } from '../sync-query/report/report.ts'
import type { SrStateEvent } from './answers.ts'
import { levelOf, type NumberedEvent, type SyncEvents } from './sync-events.ts'

export interface EventStreamOptions {
  readonly clock: Clock
  readonly events: SyncEvents
  /** UUIDs of the SRs that are watched. */
  readonly srs: () => readonly string[]
  readonly report: (sr: string) => Report | null
  readonly maxReaders: number
  /** Milliseconds between the comment lines that keep the connection alive. */
  readonly keepAliveEveryMs: number
}

/** Milliseconds that a browser waits before it reconnects. */
const RETRY = 'retry: 2000\n\n'

/** The stream of server-sent events (WHATWG HTML, 9.2) of this host's SRs. answers.ts defines their data. */
export class EventStream {
  readonly #options: EventStreamOptions
  #readers = 0

  constructor(options: EventStreamOptions) {
    this.#options = options
  }

  open({ query, header }: StreamRequest): HttpStream | HttpAnswer {
    if (this.#readers >= this.#options.maxReaders) {
      return { status: 503, contentType: 'text/plain', body: 'the limit of readers of events is reached\n' }
    }
    // The header is the newer one: a browser that reconnects sends it with the address of its first request.
    const from = header('last-event-id') ?? query.get('from')
    return { contentType: 'text/event-stream', begin: (send, signal) => this.#begin(from, send, signal) }
  }

  #begin(from: string | null, send: (text: string) => void, signal: AbortSignal): Iterable<string> {
    const { clock, events, srs, report, keepAliveEveryMs } = this.#options
    this.#readers += 1
    // Synchronously: no event can fall between what was missed and what will come.
    const unsubscribe = events.subscribe(event => send(blockOf(event)))
    let cancelKeepAlive = () => undefined as unknown
    const keepAlive = () => {
      cancelKeepAlive = clock.after(keepAliveEveryMs, () => {
        send(':\n\n')
        keepAlive()
      })
    }
    keepAlive()
    signal.addEventListener('abort', () => {
      this.#readers -= 1
      cancelKeepAlive()
      unsubscribe()
    })
    const missed = from === null || from === '' ? null : events.since(from)
    if (missed !== null) return replayOf(missed)
    const isReset = from !== null && from !== ''
    const levels = srs().flatMap(sr => report(sr) ?? [])
    return levelsOf(isReset, levels.map(levelOf), events.lastId)
  }
}

/** Each block is made when it is sent: otherwise every reader would hold a copy of all of them in memory. */
function* replayOf(missed: readonly NumberedEvent[]): Generator<string> {
  yield RETRY
  for (const event of missed) yield blockOf(event)
}

function* levelsOf(isReset: boolean, levels: readonly SrStateEvent[], lastId: string): Generator<string> {
  yield isReset ? `${RETRY}event: reset\ndata: {}\n\n` : RETRY
  for (const level of levels) yield `event: state\ndata: ${JSON.stringify(level)}\n\n`
  yield `id: ${lastId}\n\n`
}

function blockOf({ id, event, json }: NumberedEvent): string {
  return `event: ${event.kind}\nid: ${id}\ndata: ${json}\n\n`
}
