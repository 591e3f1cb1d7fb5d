import { codeOf, messageOf } from '../platform/errors.ts'
import { SerialQueue } from '../platform/time/serial-queue.ts'
import { AgentSocket } from './agent-socket.ts'

type SocketOptions = ConstructorParameters<typeof AgentSocket>[0]
type NetworkAddress = Exclude<Parameters<AgentSocket['listen']>[0], { path: string }>

/** The host's own socket answers everything, the network address only questions about the sync state. */
export type AgentSocketsOptions = Omit<SocketOptions, 'own' | 'onProblem'> &
  Required<Pick<SocketOptions, 'own' | 'onProblem'>>

/**
 * The sockets of the agent: its unix socket, and optionally a network address. Clients on the network are not authenticated, so they
 * cannot create SRs, override the gate or read events.
 *
 * Invariant: sockets are opened and closed one after the other, in the order of the calls.
 */
export class AgentSockets {
  readonly #options: AgentSocketsOptions
  #own: AgentSocket | null = null
  #ownPath: string | null = null
  #network: AgentSocket | null = null
  /** Its address, with the port that was taken in place of 0. */
  #networkAt: { readonly host: string; readonly port: number } | null = null
  readonly #moves = new SerialQueue()
  #isRestoring = false
  /** The last problem of a lost socket. It is reported once, not every second. */
  #reportedLoss: string | null = null

  constructor(options: AgentSocketsOptions) {
    this.#options = options
  }

  /** Moves to another unix socket. @throws as `AgentSocket.listen`; then the previous one stays */
  listenAt(path: string): Promise<void> {
    return this.#moves.run(() => this.#moveOwn(path))
  }

  /** Moves to another network address, or to none. @throws as above */
  listenOn(address: NetworkAddress | undefined): Promise<void> {
    return this.#moves.run(async () => {
      const before = this.#networkAt
      try {
        await this.#moveNetwork(address)
      } catch (error) {
        // A socket for all addresses of a host and one for a single address exclude each other at the same port.
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
   * Creates the unix socket again if its file was removed, as by a clean-up of /run. Otherwise no client could connect, and the
   * agent would not notice. Call it about once a second.
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
      this.#reportedLoss = null
      this.#options.onProblem(`${why}: it was created again`)
    } catch (error) {
      const text = `${why}, and cannot be created again: ${messageOf(error)}`
      if (text !== this.#reportedLoss) this.#options.onProblem(text)
      this.#reportedLoss = text
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

  /** Opens the new one first: if that fails, the previous one stays. */
  async #moveOwn(path: string): Promise<void> {
    const socket = new AgentSocket(this.#options)
    await socket.listen({ path })
    await this.#own?.close()
    this.#own = socket
    this.#ownPath = path
  }
}
