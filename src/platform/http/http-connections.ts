import type { Socket } from 'node:net'
import { addressGroup } from './address-group.ts'
import { largestGroup } from './largest-group.ts'

export interface ConnectionLimits {
  readonly maxConnections: number
  /** Of one address: connections without an owner on which no whole request has arrived. */
  readonly maxUnownedOfAnAddress: number
  /** Bytes of requests and answers that one owner, or one address without an owner, may leave in memory. */
  readonly maxHeldBytes: number
}

/** So many connections of one owner are reserved, and half of all there may be: no owner can take the places of all others. */
const MAX_RESERVED_OF_AN_OWNER = 16

/** One connection. It has an owner once a request on it has shown who sends it. */
export class HttpConnection {
  readonly socket: Socket
  readonly key: Socket | string
  readonly address: string
  owner: string | null = null
  /** Never closed in favour of another one. */
  isReserved = false
  /** Whole requests that are being answered. */
  answering = 0
  heldBytes = 0

  constructor(socket: Socket) {
    this.socket = socket
    this.key = keyOf(socket)
    this.address = addressGroup(socket.remoteAddress)
  }

  /** Whose share it counts towards. */
  get group(): string {
    return this.owner === null ? `address ${this.address}` : `owner ${this.owner}`
  }
}

/**
 * The connections of a server, and which of them is closed when there are too many: the least recently used one of the owner, or
 * of the address, that has most. So whoever opens connections without end closes the own ones, and a client that has few
 * always gets in. On a unix socket, where only the server's own user connects, the new one is closed.
 */
export class HttpConnections {
  readonly #limits: ConnectionLimits
  /** The least recently used first. */
  readonly #all = new Map<Socket | string, HttpConnection>()
  /** Bytes by group. */
  readonly #held = new Map<string, number>()

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  /** Takes a new connection in, at the cost of another one or of itself. */
  admit(socket: Socket): void {
    const connection = new HttpConnection(socket)
    this.#all.set(connection.key, connection)
    socket.once('close', () => {
      this.#remove(connection)
      this.release(connection, connection.heldBytes)
    })
    const { maxConnections, maxUnownedOfAnAddress } = this.#limits
    if (connection.address === '') {
      if (this.#all.size > maxConnections) this.#close(connection)
      return
    }
    const unowned = [...this.#all.values()].filter(
      ({ owner, answering, address }) => owner === null && answering === 0 && address === connection.address,
    )
    if (unowned.length > maxUnownedOfAnAddress) this.#close(unowned[0])
    if (this.#all.size > maxConnections) this.#close(this.#leastWorthy(connection) ?? connection)
  }

  /** The connection on which a request arrived; `null`: it is closed. */
  of(socket: Socket): HttpConnection | null {
    return this.#all.get(keyOf(socket)) ?? null
  }

  /** Says whose connection it is, and whether it is kept whatever others do. */
  own(connection: HttpConnection, owner: string, isReserved: boolean): void {
    if (connection.owner !== owner) {
      const { heldBytes } = connection
      this.release(connection, heldBytes)
      connection.owner = owner
      this.#add(connection, heldBytes)
    }
    if (!isReserved || connection.isReserved) return
    const reserved = [...this.#all.values()].filter(each => each.isReserved)
    const ofOwner = reserved.filter(each => each.owner === owner)
    connection.isReserved =
      reserved.length < this.#limits.maxConnections / 2 && ofOwner.length < MAX_RESERVED_OF_AN_OWNER
  }

  /** It is in use: another one is closed before it. */
  touch(connection: HttpConnection): void {
    if (this.#remove(connection)) this.#all.set(connection.key, connection)
  }

  /** Counts bytes that stay in memory for a connection. False: its group holds too many; a first load is always taken. */
  hold(connection: HttpConnection, bytes: number): boolean {
    const held = this.#held.get(connection.group) ?? 0
    if (held > 0 && held + bytes > this.#limits.maxHeldBytes) return false
    this.#add(connection, bytes)
    return true
  }

  release(connection: HttpConnection, bytes: number): void {
    this.#add(connection, -Math.min(bytes, connection.heldBytes))
  }

  closeAll(): void {
    for (const { socket } of this.#all.values()) socket.destroy()
  }

  /** Of those that wait for nothing; else of those that are answered, but then only another group's. */
  #leastWorthy(newcomer: HttpConnection): HttpConnection | undefined {
    const others = [...this.#all.values()].filter(each => each !== newcomer && !each.isReserved)
    const idle = others.filter(({ answering }) => answering === 0)
    if (idle.length > 0) return ofLargestGroup(idle)[0]
    const [first, ...more] = ofLargestGroup(others)
    return first === undefined || more.length === 0 || first.group === newcomer.group ? undefined : first
  }

  #add(connection: HttpConnection, bytes: number): void {
    const { group } = connection
    const held = (this.#held.get(group) ?? 0) + bytes
    connection.heldBytes += bytes
    if (held === 0) this.#held.delete(group)
    else this.#held.set(group, held)
  }

  #close(connection: HttpConnection | undefined): void {
    if (connection === undefined) return
    this.#remove(connection)
    connection.socket.destroy()
  }

  /** False: it is not there, or another one from the same port is. */
  #remove({ key, socket }: HttpConnection): boolean {
    return this.#all.get(key)?.socket === socket && this.#all.delete(key)
  }
}

function ofLargestGroup(connections: readonly HttpConnection[]): readonly HttpConnection[] {
  return largestGroup(Map.groupBy(connections, ({ group }) => group))
}

/** By where it comes from: over TLS the request's socket is another object than the connection's. A unix socket says nothing. */
function keyOf(socket: Socket): Socket | string {
  const { remoteAddress, remotePort } = socket
  return remoteAddress === undefined || remotePort === undefined ? socket : `${remoteAddress} ${remotePort}`
}
