import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'

interface Tap {
  teardown(end: () => unknown): void
}

/** A client of a pool with its own address in the loopback network, such as 127.0.0.2. */
export class Peer {
  readonly #port: number
  readonly #address: string
  readonly #agent = new Agent({ keepAlive: true })
  readonly #sockets: Socket[] = []

  constructor(t: Tap, port: number, address: string) {
    this.#port = port
    this.#address = address
    t.teardown(() => {
      this.#agent.destroy()
      for (const socket of this.#sockets) socket.destroy()
    })
  }

  /** Posts a body to /jsonrpc; `null` if the connection was closed. */
  post(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
    return new Promise(resolve => {
      const options = { host: '127.0.0.1', port: this.#port, localAddress: this.#address, agent: this.#agent }
      const outgoing = request({ ...options, method: 'POST', path: '/jsonrpc', headers }, async response => {
        let text = ''
        try {
          for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
          resolve(JSON.parse(text))
        } catch {
          resolve(null)
        }
      })
      outgoing.on('error', () => resolve(null))
      outgoing.end(JSON.stringify(body))
    })
  }

  /** Makes one call and returns its result or its error description. */
  async ask(method: string, ...params: readonly unknown[]): Promise<unknown> {
    const answer = await this.post({ method, params, id: 1 })
    if (typeof answer !== 'object' || answer === null || !('error' in answer) || !('result' in answer)) return answer
    return answer.error ?? answer.result
  }

  async login(user: string, password = 'x'): Promise<string> {
    return String(await this.ask('session.login_with_password', user, password))
  }

  /** Opens a connection and sends bytes. Errors are ignored. */
  open(bytes: string): Promise<Socket> {
    return new Promise(resolve => {
      const socket = connect({ host: '127.0.0.1', port: this.#port, localAddress: this.#address })
      this.#sockets.push(socket)
      socket.on('error', () => resolve(socket))
      socket.once('connect', () => {
        socket.write(bytes)
        resolve(socket)
      })
    })
  }
}
