import { type HttpRoute, HttpServer, type ListenAddress, type ListeningAt } from '../http-server/index.ts'
import { agentMethods, type SyncAnswers } from './agent-methods.ts'
import { JsonRpc } from './json-rpc.ts'
import type { VolumePlugin } from './volume-plugin.ts'
import { answerXapiPlugin } from './xapi-plugin.ts'

/** A question is a line of text. */
const MAX_BODY_BYTES = 65_536
/** A toolstack makes its storage calls all at once, and does not repeat the ones that are turned away. */
const MAX_CONNECTIONS = 512

/**
 * Where an agent answers: `POST /jsonrpc`, `POST /plugin/METHOD` and `POST /xapi-plugin` for the toolstack's scripts, and
 * `GET /healthz` for whoever only wants to know that it lives.
 */
export class AgentSocket {
  readonly #server: HttpServer

  /** @param plugin only for a socket that is the toolstack's alone: it creates and destroys SRs for whoever asks */
  constructor(answers: SyncAnswers, onBug: (bug: unknown) => void, plugin?: VolumePlugin) {
    const jsonRpc = new JsonRpc(agentMethods(answers), onBug)
    this.#server = new HttpServer({
      routes: [
        { method: 'POST', path: '/jsonrpc', answer: (body, signal) => jsonRpc.answer(body, signal) },
        { method: 'POST', path: '/xapi-plugin', answer: body => answerXapiPlugin(answers, body) },
        ...(plugin === undefined ? [] : [pluginRoute(plugin)]),
        { method: 'GET', path: '/healthz', answer: () => ({ status: 200, contentType: 'text/plain', body: 'ok\n' }) },
      ],
      onBug,
      limits: { maxBodyBytes: MAX_BODY_BYTES, maxConnections: MAX_CONNECTIONS },
    })
  }

  /** @throws the system's error, such as EADDRINUSE: another agent answers there */
  listen(address: ListenAddress): Promise<ListeningAt> {
    return this.#server.listen(address)
  }

  close(): Promise<void> {
    return this.#server.close()
  }
}

function pluginRoute(plugin: VolumePlugin): HttpRoute {
  return { method: 'POST', path: '/plugin/', answer: (body, _signal, method) => plugin.answer(method, body) }
}
