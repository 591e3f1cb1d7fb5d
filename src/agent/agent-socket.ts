import { agentMethods, type ProveReport, type SyncAnswers } from '../agent-api/agent-methods.ts'
import { EventStream } from '../agent-api/event-stream.ts'
import { type PoolAnswers, poolMethods } from '../agent-api/pool-methods.ts'
import { REQUEST_NOT_UTF8, serveMethods } from '../agent-api/serve-methods.ts'
import type { SyncEvents } from '../agent-api/sync-events.ts'
import { SyncWaiters } from '../agent-api/sync-waiters.ts'
import type { HttpRoute } from '../platform/http/http-route.ts'
import { HttpServer } from '../platform/http/http-server.ts'
import type { ListenAddress, ListeningAt } from '../platform/http/listen.ts'
import type { Clock } from '../platform/time/clock.ts'
import { ARGUMENTS_NOT_UTF8, type VolumePlugin } from '../volume-plugin/volume-plugin.ts'
import { answerXapiPlugin, CALL_NOT_UTF8 } from '../volume-plugin/xapi-plugin.ts'

/** A request is a line of text. */
const MAX_BODY_BYTES = 65_536
/** A toolstack makes its storage calls all at once, and does not repeat those that are rejected. */
const MAX_CONNECTIONS = 512
/** Waiters and event readers together leave most connections free for requests. */
const MAX_WAITERS = 64
const MAX_READERS = 32
const KEEP_ALIVE_EVERY_MS = 15_000

export interface AgentSocketOptions {
  readonly answers: SyncAnswers
  readonly events: SyncEvents
  readonly clock: Clock
  /** Receives errors of this program. */
  readonly onBug: (bug: unknown) => void
  /** Receives problems that an operator must solve, such as a changed socket file. */
  readonly onProblem?: (text: string) => void
  /** Proves to a pool that a report is from this agent. Absent: there is no pool to prove it to. */
  readonly prove?: ProveReport
  /** Only for a socket that only root can open: these methods create and destroy SRs, and override the gate. */
  readonly own?: {
    /** Absent: this host creates and attaches no SRs. */
    readonly plugin?: VolumePlugin
    readonly pool: PoolAnswers
  }
}

/**
 * One socket of the agent: `POST /jsonrpc` for clients, `POST /xapi-plugin` and `POST /plugin/METHOD` for the toolstack's scripts,
 * `GET /events` for event readers, and `GET /healthz` for liveness checks.
 */
export class AgentSocket {
  readonly #server: HttpServer

  constructor({ answers, events, clock, onBug, onProblem, prove, own }: AgentSocketOptions) {
    const waiters = new SyncWaiters(clock, events, sr => answers.report(sr), MAX_WAITERS)
    const handlers = { ...agentMethods(answers, waiters, prove), ...(own === undefined ? {} : poolMethods(own.pool)) }
    this.#server = new HttpServer({
      clock,
      routes: [
        {
          method: 'POST',
          path: '/jsonrpc',
          answer: serveMethods(handlers, onBug),
          notUtf8: REQUEST_NOT_UTF8,
        },
        {
          method: 'POST',
          path: '/xapi-plugin',
          answer: (body, signal) => answerXapiPlugin(body, answers, own?.pool, signal),
          notUtf8: CALL_NOT_UTF8,
        },
        ...(own?.plugin === undefined ? [] : [pluginRoute(own.plugin)]),
        ...(own === undefined ? [] : [eventsRoute(answers, events, clock)]),
        { method: 'GET', path: '/healthz', answer: () => ({ status: 200, contentType: 'text/plain', body: 'ok\n' }) },
      ],
      onBug,
      ...(onProblem === undefined ? {} : { onProblem }),
      limits: { maxBodyBytes: MAX_BODY_BYTES, maxConnections: MAX_CONNECTIONS },
    })
  }

  /**
   * Starts to answer at this address.
   * @throws the system's error, such as EADDRINUSE: another agent answers there; Error when any user may write in the directory of
   * a unix socket, or when the path is not a socket
   */
  listen(address: ListenAddress): Promise<ListeningAt> {
    return this.#server.listen(address)
  }

  /** Why clients can no longer reach it, in a few words; `null`: they can. */
  lost(): string | null {
    return this.#server.lost()
  }

  close(): Promise<void> {
    return this.#server.close()
  }
}

function pluginRoute(plugin: VolumePlugin): HttpRoute {
  return {
    method: 'POST',
    path: '/plugin/',
    answer: (body, _signal, method) => plugin.answer(method, body),
    notUtf8: ARGUMENTS_NOT_UTF8,
  }
}

function eventsRoute(answers: SyncAnswers, events: SyncEvents, clock: Clock): HttpRoute {
  const stream = new EventStream({
    clock,
    events,
    srs: () => answers.srs(),
    report: sr => answers.report(sr),
    maxReaders: MAX_READERS,
    keepAliveEveryMs: KEEP_ALIVE_EVERY_MS,
  })
  return { method: 'GET', path: '/events', open: request => stream.open(request) }
}
