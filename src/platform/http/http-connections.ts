import type { Socket } from 'node:net'
import { addressGroup, largestGroup } from './client-groups.ts'

export interface ConnectionLimits {
  readonly maxConnections: number
  /** Limit per address for connections without an owner on which no complete request has arrived. */
  readonly maxUnownedOfAnAddress: number
  /** Limit of memory for the requests and answers of one owner, or of one address without an owner. */
  readonly maxHeldBytes: number
}

/** Limit of reserved connections of one owner. At most half of all connections are reserved, so no owner can displace all others. */
const MAX_RESERVED_OF_AN_OWNER = 16

/** One connection. It gets an owner when a request on it has identified the sender. */
export class HttpConnection {
  readonly socket: Socket
  readonly key: Socket | string
  readonly address: string
  owner: string | null = null
  /** The connection is never closed to make room for another one. */
  isReserved = false
  /** Number of complete requests that are being answered. */
  answering = 0
  heldBytes = 0

  constructor(socket: Socket) {
    this.socket = socket
    this.key = keyOf(socket)
    this.address = addressGroup(socket.remoteAddress)
  }

  /** The group whose share includes this connection. */
  get group(): string {
    return this.owner === null ? `address ${this.address}` : `owner ${this.owner}`
  }
}

/**
 * The connections of a server. When there are too many, it closes the least recently used connection of the owner or address that has
 * most: a client that opens connections without end loses its own ones, and a client with few connections is always accepted. On a unix
 * socket, where only the server's own user connects, it closes the new connection.
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

  /** Accepts a new connection. If there are too many, another connection or this one is closed. */
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
    if (this.#all.size > maxConnections) this.#close(this.#toClose(connection) ?? connection)
  }

  /** The connection of a request's socket; `null`: it is closed. */
  of(socket: Socket): HttpConnection | null {
    return this.#all.get(keyOf(socket)) ?? null
  }

  /** Sets the owner of a connection, and whether it is reserved. */
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

  /** Marks the connection as the most recently used one. */
  touch(connection: HttpConnection): void {
    if (this.#remove(connection)) this.#all.set(connection.key, connection)
  }

  /** Counts bytes in memory for a connection. False: its group holds too many. The first bytes of a group are always accepted. */
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

  /** The connection to close: an idle one, or else one of another group that is being answered. */
  #toClose(newcomer: HttpConnection): HttpConnection | undefined {
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

  /** False: the connection is unknown, or another one from the same port has replaced it. */
  #remove({ key, socket }: HttpConnection): boolean {
    return this.#all.get(key)?.socket === socket && this.#all.delete(key)
  }
}

function ofLargestGroup(connections: readonly HttpConnection[]): readonly HttpConnection[] {
  return largestGroup(Map.groupBy(connections, ({ group }) => group))
}

/** The peer's address and port, because over TLS the request's socket is not the connection's socket. A unix socket has none. */
function keyOf(socket: Socket): Socket | string {
  const { remoteAddress, remotePort } = socket
  return remoteAddress === undefined || remotePort === undefined ? socket : `${remoteAddress} ${remotePort}`
}
