import { Agent, type AgentOptions, type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'

/** A handshake without an answer must not last much longer than the timeout of a call. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/**
 * Connections to servers that present one of the pinned certificates. Its signature and its names are not checked.
 *
 * Invariant: HTTP gets a connection only after its certificate was compared, so no other server receives a byte of a request.
 * (`checkServerIdentity` cannot do this: Node does not call it for a certificate that no CA signed.)
 */
export class PinnedAgent extends Agent {
  readonly #pins: ReadonlySet<string>
  readonly #shakingHands = new Set<TLSSocket>()

  constructor(pins: ReadonlySet<string>, options: AgentOptions) {
    super(options)
    this.#pins = pins
  }

  override createConnection(
    options: RequestOptions,
    done: (error: Error | null, socket: Duplex) => void = () => undefined,
  ): undefined {
    const { host, port, servername } = options
    const socket = connect({
      host: host ?? 'localhost',
      port: Number(port),
      ...(servername === undefined ? {} : { servername }),
      // The comparison below replaces the check of the signature.
      rejectUnauthorized: false,
    })
    this.#shakingHands.add(socket)
    socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () => socket.destroy(new Error('the TLS handshake took too long')))
    const failed = (error: Error) => done(error, socket)
    socket.once('error', failed)
    socket.once('close', () => this.#shakingHands.delete(socket))
    socket.once('secureConnect', () => {
      const shown = socket.getPeerX509Certificate()?.fingerprint256
      if (shown === undefined || !this.#pins.has(shown)) {
        socket.destroy(new Error(`the certificate is not the pinned one: its SHA-256 is ${shown ?? 'not known'}`))
        return
      }
      this.#shakingHands.delete(socket)
      socket.setTimeout(0)
      socket.off('error', failed)
      done(null, socket)
    })
  }

  override destroy(): void {
    super.destroy()
    for (const socket of this.#shakingHands) socket.destroy(new Error('the connection was closed'))
  }
}
