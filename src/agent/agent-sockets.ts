import { codeOf, messageOf } from '../platform/errors.ts'
import { SerialQueue } from '../platform/time/serial-queue.ts'
import { AgentSocket } from './agent-socket.ts'

type SocketOptions = ConstructorParameters<typeof AgentSocket>[0]
type NetworkAddress = Exclude<Parameters<AgentSocket['listen']>[0], { path: string }>

/** What is answered where: everything on the host's own socket, questions of sync state alone over the network. */
export type AgentSocketsOptions = Omit<SocketOptions, 'own' | 'onProblem'> &
  Required<Pick<SocketOptions, 'own' | 'onProblem'>>

/**
 * Where the agent answers: its unix socket, and an address of the network where that is asked for. Over the network nobody
 * proves who asks, so nobody there may make SRs, override the gate, or read events.
 *
 * Invariant: sockets are opened and closed one after the other, in the order that it was asked for.
 */
export class AgentSockets {
  readonly #options: AgentSocketsOptions
  #own: AgentSocket | null = null
  #ownPath: string | null = null
  #network: AgentSocket | null = null
  /** Where that one listens: not at port 0. */
  #networkAt: { readonly host: string; readonly port: number } | null = null
  readonly #moves = new SerialQueue()
  #isRestoring = false
  /** What was told last of a socket that is lost: the same is not told every second. */
  #toldOfLost: string | null = null

  constructor(options: AgentSocketsOptions) {
    this.#options = options
  }

  /** Answers at another unix socket. @throws as AgentSocket.listen; then the one before goes on */
  listenAt(path: string): Promise<void> {
    return this.#moves.run(() => this.#moveOwn(path))
  }

  /** Answers at another address of the network, or at none. @throws as above */
  listenOn(address: NetworkAddress | undefined): Promise<void> {
    return this.#moves.run(async () => {
      const before = this.#networkAt
      try {
        await this.#moveNetwork(address)
      } catch (error) {
        // All addresses of a host and one of them exclude each other at the same port.
        if (before === null || address === undefined || address.port !== before.port || codeOf(error) !== 'EADDRINUSE')
          throw error
        await this.#moveNetwork(undefined)
        await this.#moveNetwork(address).catch(async failure => {
          await this.#moveNetwork(before)
          throw failure
        })
      }
    })
  }

  /**
   * To be called about once a second: makes a socket anew whose file was removed, as by who clears /run. Until then nobody
   * could ask, and the agent would not notice.
   */
  tick(): void {
    if (this.#isRestoring || this.#own === null || this.#own.lost() === null) return
    this.#isRestoring = true
    const restored = this.#moves
      .run(() => this.#restore())
      .finally(() => {
        this.#isRestoring = false
      })
    restored.catch(this.#options.onBug)
  }

  close(): Promise<void> {
    return this.#moves.run(async () => {
      await Promise.all([this.#own?.close(), this.#network?.close()])
      this.#own = null
      this.#network = null
    })
  }

  async #restore(): Promise<void> {
    const [why, path] = [this.#own?.lost() ?? null, this.#ownPath]
    if (why === null || path === null) return
    try {
      await this.#moveOwn(path)
      this.#toldOfLost = null
      this.#options.onProblem(`${why}: it was made anew`)
    } catch (error) {
      const text = `${why}, and cannot be made anew: ${messageOf(error)}`
      if (text !== this.#toldOfLost) this.#options.onProblem(text)
      this.#toldOfLost = text
    }
  }

  async #moveNetwork(to: NetworkAddress | undefined): Promise<void> {
    const { own: _, ...forAll } = this.#options
    const socket = new AgentSocket(forAll)
    const at = to === undefined ? null : await socket.listen(to)
    await this.#network?.close()
    this.#network = socket
    this.#networkAt = at
  }

  /** The new one first: if it cannot be opened, the one before goes on. */
  async #moveOwn(path: string): Promise<void> {
    const socket = new AgentSocket(this.#options)
    await socket.listen({ path })
    await this.#own?.close()
    this.#own = socket
    this.#ownPath = path
  }
}
