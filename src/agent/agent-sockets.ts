import { AgentSocket } from '../volume-plugin/index.ts'

type SocketOptions = ConstructorParameters<typeof AgentSocket>[0]
type Address = Parameters<AgentSocket['listen']>[0]

/** What is answered where: everything on the host's own socket, questions of sync state alone over the network. */
export type AgentSocketsOptions = Omit<SocketOptions, 'own'> & Required<Pick<SocketOptions, 'own'>>

/**
 * Where the agent answers: its unix socket, and an address of the network where that is asked for. Over the network nobody
 * proves who asks, so nobody there may make SRs, override the gate, or read events.
 */
export class AgentSockets {
  readonly #options: AgentSocketsOptions
  #own: AgentSocket | null = null
  #network: AgentSocket | null = null

  constructor(options: AgentSocketsOptions) {
    this.#options = options
  }

  /** Answers at another unix socket. @throws as AgentSocket.listen; then the one before goes on */
  async listenAt(path: string): Promise<void> {
    this.#own = await this.#move(this.#own, { path }, this.#options)
  }

  /** Answers at another address of the network, or at none. @throws as above */
  async listenOn(address: Address | undefined): Promise<void> {
    const { own: _, ...forAll } = this.#options
    this.#network = await this.#move(this.#network, address, forAll)
  }

  async close(): Promise<void> {
    await Promise.all([this.#own?.close(), this.#network?.close()])
  }

  async #move(
    before: AgentSocket | null,
    to: Address | undefined,
    options: SocketOptions,
  ): Promise<AgentSocket | null> {
    // The new one first: if it cannot be opened, the one before goes on.
    const socket = to === undefined ? null : new AgentSocket(options)
    if (to !== undefined) await socket?.listen(to)
    await before?.close()
    return socket
  }
}
