import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** qemu's framing of its `socket` network: the length in four bytes, big-endian, then the frame. */
const LENGTH_BYTES = 4
const MAX_FRAME_BYTES = 65_550
const MAC_BYTES = 6
/** A guest that does not read: what is more than this is lost, as on a cable. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024

/**
 * The switch between the guests, in this process: it learns who is where, and can cut any link. What is cut is lost without
 * a word, as when a cable is pulled.
 */
export class Switch {
  readonly #servers: Server[] = []
  readonly #sockets = new Map<string, Socket>()
  /** Who sends from which MAC address. */
  readonly #learned = new Map<string, string>()
  readonly #cuts = new Set<string>()

  /** Opens a socket on loopback for the guest's card; returns its port. One after another may connect: a guest reboots. */
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

  /** Undoes one `cut`, or all of them. */
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
    // A power cut resets the connection: nothing that anybody must know.
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
