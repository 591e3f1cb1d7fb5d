import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** qemu's framing of its `socket` network: the length in four bytes, big-endian, then the frame. */
const LENGTH_BYTES = 4
const MAX_FRAME_BYTES = 65_550
const MAC_BYTES = 6
/** Frames beyond this are dropped while a guest does not read. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024

/**
 * The network switch between the guests, in this process. It learns MAC addresses and can cut any link; frames are then dropped
 * silently, like with a pulled cable.
 */
export class Switch {
  readonly #servers: Server[] = []
  readonly #sockets = new Map<string, Socket>()
  /** The port of each MAC address. */
  readonly #learned = new Map<string, string>()
  readonly #cuts = new Set<string>()

  /** Opens a loopback socket for a guest's network card and returns its port. A rebooted guest connects again. */
  async plug(name: string): Promise<number> {
    const server = createServer(socket => this.#carry(name, socket))
    this.#servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }

  /** Cuts the link between two guests, or all links of one. */
  cut(name: string, other?: string): void {
    this.#cuts.add(linkOf(name, other))
  }

  /** Undoes one cut, or all cuts. */
  restore(name?: string, other?: string): void {
    if (name === undefined) this.#cuts.clear()
    else this.#cuts.delete(linkOf(name, other))
  }

  close(): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets.values()) socket.destroy()
  }

  #carry(name: string, socket: Socket): void {
    this.#sockets.get(name)?.destroy()
    this.#sockets.set(name, socket)
    socket.setNoDelay(true)
    // A power cut resets the connection; ignore it.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (this.#sockets.get(name) === socket) this.#sockets.delete(name)
    })
    let rest: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      let at = 0
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      while (bytes.length - at >= LENGTH_BYTES) {
        const length = bytes.readUInt32BE(at)
        if (length > MAX_FRAME_BYTES) return socket.destroy()
        const end = at + LENGTH_BYTES + length
        if (bytes.length < end) break
        this.#forward(name, bytes.subarray(at, end))
        at = end
      }
      rest = bytes.subarray(at)
      return undefined
    })
  }

  #forward(from: string, framed: Buffer): void {
    const target = LENGTH_BYTES
    const source = target + MAC_BYTES
    if (framed.length < source + MAC_BYTES) return
    this.#learned.set(framed.toString('latin1', source, source + MAC_BYTES), from)
    const isForMany = ((framed[target] ?? 0) & 1) === 1
    const to = isForMany ? undefined : this.#learned.get(framed.toString('latin1', target, source))
    for (const [name, socket] of this.#sockets) {
      if (name === from || (to !== undefined && to !== name) || this.#isCut(from, name)) continue
      if (socket.writableLength < MAX_QUEUED_BYTES) socket.write(framed)
    }
  }

  #isCut(a: string, b: string): boolean {
    return this.#cuts.size > 0 && [linkOf(a), linkOf(b), linkOf(a, b)].some(each => this.#cuts.has(each))
  }
}

function linkOf(name: string, other?: string): string {
  return other === undefined ? name : [name, other].toSorted().join(' ')
}
