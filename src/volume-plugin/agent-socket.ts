import { HttpServer, type ListenAddress, type ListeningAt } from '../http-server/index.ts'
import { agentMethods, type SyncAnswers } from './agent-methods.ts'
import { JsonRpc } from './json-rpc.ts'

/** A question is a line of text. */
const MAX_BODY_BYTES = 65_536
const MAX_CONNECTIONS = 64

/** Where an agent answers: `POST /jsonrpc`, and `GET /healthz` for whoever only wants to know that it lives. */
export class AgentSocket {
  readonly #server: HttpServer

  constructor(answers: SyncAnswers, onBug: (bug: unknown) => void) {
    const jsonRpc = new JsonRpc(agentMethods(answers), onBug)
    this.#server = new HttpServer({
      routes: [
        { method: 'POST', path: '/jsonrpc', answer: (body, signal) => jsonRpc.answer(body, signal) },
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
