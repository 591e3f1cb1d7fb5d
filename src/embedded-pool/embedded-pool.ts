import { randomUUID } from 'node:crypto'
import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import { encodeKnownPeers, KNOWN_PEERS_KEY } from '../allowed-operations/pool/known-peers.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import type { ListeningAt } from '../platform/http/listen.ts'
import type { Clock } from '../platform/time/clock.ts'
import { publicRecord } from './calls/public-record.ts'
import type { RecordChange } from './database/database.ts'
import { newPool } from './database/new-record.ts'
import { NULL_REF, type PublicClass, type RecordTypes } from './database/records.ts'
import type { ForgottenMembers } from './hosts/forgotten-members.ts'
import {
  addHost,
  addPbd,
  addSr,
  type NewHost,
  type NewPbd,
  type NewSr,
  removeHost,
  removePbd,
} from './hosts/membership.ts'
import { POOL_DEFAULTS, type PoolOptions } from './pool-options.ts'
import { createPoolParts, type PoolParts } from './pool-parts.ts'
import type { ListenOptions } from './server.ts'
import type { StockListenOptions } from './stock/stock-endpoints.ts'
import type { StockPoolOptions } from './stock/stock-options.ts'
import type { ToolstackEnd } from './stock/toolstack.ts'

/**
 * A XenAPI pool inside this process, for trials, tests and simulations: a database, the methods of XenAPI on it, and an HTTP
 * server for them. The machines, the gate, the plugins and the clock are parameters.
 *
 *     const pool = new EmbeddedPool({ gate, machines, clock: machineClock, authenticate: () => true })
 *     pool.seed(['hostA', 'hostB'])
 *     const { port } = await pool.listen({ port: 0 })
 */
export class EmbeddedPool {
  readonly #parts: PoolParts
  readonly #clock: Clock
  readonly #closing = new AbortController()
  #cancelCollection: () => void = () => undefined
  /** Ref of the record of the pool. */
  readonly ref: string
  /** Members that calls have removed from the pool although its configuration names them. */
  readonly forgotten: ForgottenMembers

  /** @throws StateFileError: the state file exists and cannot be used, or another process uses it */
  constructor(options: PoolOptions | StockPoolOptions) {
    this.#parts = createPoolParts(options, this.#closing.signal)
    this.#clock = options.clock
    const { db, heartbeats, forgotten } = this.#parts
    this.forgotten = forgotten
    this.ref = db.list('pool')[0]?.[0] ?? db.create('pool', newPool({ uuid: randomUUID() }))
    heartbeats.start()
    this.#collectTasks(options.taskCollectionEveryMs ?? POOL_DEFAULTS.taskCollectionEveryMs)
  }

  /**
   * Serves XenAPI at http(s)://host:port/jsonrpc, then writes the state file. This order keeps a start that fails from writing.
   * A stock xapi may listen at several addresses: one call for each.
   * @returns the address; @throws the error of the system, such as EADDRINUSE; StateFileError: the state cannot be written
   */
  async listen(options: ListenOptions | StockListenOptions): Promise<ListeningAt> {
    const { server, keeper, stock } = this.#parts
    if (stock !== null) return stock.listen(options)
    if ('socketPath' in options) throw new Error('only a stock xapi listens at a unix socket')
    const at = await server.listen(options)
    try {
      await keeper.saved()
    } catch (problem) {
      await server.close()
      throw problem
    }
    return at
  }

  /** Ends waiting calls, connections and timers, and writes the state file. */
  async close(): Promise<void> {
    const { operations, events, heartbeats, presence, brake, server, keeper, stock } = this.#parts
    this.#closing.abort()
    await stock?.close()
    operations.orders.close()
    this.#cancelCollection()
    events.close()
    heartbeats.close()
    presence.close()
    brake.close()
    await server.close()
    await keeper.close()
  }

  /** Resolves when everything written so far is in the state file; immediately without a state file. @throws StateFileError */
  saved(): Promise<void> {
    return this.#parts.keeper.saved()
  }

  /** Logs out users who may no longer log in or whose role has changed. `authenticate` must apply the new state already. */
  endSessionsOf(users: ReadonlySet<string>): void {
    this.#parts.sessions.endOf(user => users.has(user))
  }

  /** Calls the subscriber synchronously after each write. Returns the function that ends the subscription. */
  subscribe(subscriber: (change: RecordChange) => void): () => void {
    return this.#parts.db.subscribe(subscriber)
  }

  /** The record as clients see it now; `undefined` if there is none. */
  get<C extends PublicClass>(cls: C, ref: string): RecordTypes[C] | undefined {
    const record = this.#parts.db.get(cls, ref)
    return record === undefined ? undefined : publicRecord(cls, record)
  }

  /** The records of a class as clients see them now, oldest first. */
  list<C extends PublicClass>(cls: C): readonly (readonly [ref: string, record: RecordTypes[C]])[] {
    return this.#parts.db.list(cls).map(([ref, record]) => [ref, publicRecord(cls, record)] as const)
  }

  /** The input of the gate, without the reports that were polled: the caller adds them. */
  poolSnapshot(): PoolSnapshot {
    return this.#parts.snapshot()
  }

  /** Writes host.allowed_operations if it differs. */
  setAllowedOperations(hostRef: string, operations: readonly HostOperation[]): void {
    this.#parts.operations.setAllowedOperations(hostRef, operations)
  }

  /** The key with which the agent of a host proves its answers to polls; `null` if it has sent none in this run. */
  pollKey(hostRef: string): string | null {
    return this.#parts.heartbeats.pollKey(hostRef)
  }

  /** Stores the peers that the host of a PBD has listed last, if they differ from the stored ones. */
  keepPeers(pbdRef: string, peers: readonly string[]): void {
    const { db } = this.#parts
    const pbd = db.get('PBD', pbdRef)
    const text = encodeKnownPeers(peers)
    if (pbd === undefined || pbd.other_config[KNOWN_PEERS_KEY] === text) return
    db.update('PBD', pbdRef, { other_config: { ...pbd.other_config, [KNOWN_PEERS_KEY]: text } })
  }

  /**
   * The driver of the machines reports that a host is down, with or without an order. A stock xapi goes down by itself after
   * host.reboot and host.shutdown: there the report means a crash.
   */
  hostLeft(hostRef: string): void {
    ;(this.#parts.stock ?? this.#parts.presence).left(hostRef)
  }

  /** The driver of the machines reports that a host is back. @param bootTimeMs start of its kernel, by the clock of the host */
  hostReturned(hostRef: string, { bootTimeMs }: { readonly bootTimeMs: number }): void {
    ;(this.#parts.stock ?? this.#parts.presence).returned(hostRef, { bootTimeMs })
  }

  /**
   * Restarts the xapi of the coordinator, and no host. Only a stock xapi does that. With `kill` the database goes back to its last
   * write to disk, which is up to five minutes old. Resolves when the pool answers again.
   */
  async restartToolstack({ how }: { readonly how: ToolstackEnd }): Promise<void> {
    const { stock } = this.#parts
    if (stock === null) throw new Error('only a stock xapi can be restarted')
    await stock.restartToolstack(how)
  }

  /** Adds a host and returns its ref. The first host becomes the coordinator. With liveness by heartbeat it is not live yet. */
  addHost(host: NewHost): string {
    const { db, isLiveByHeartbeat, stock } = this.#parts
    const unheard = { enabled: true, ...host, live: false }
    const ref = addHost(db, this.#clock.now(), isLiveByHeartbeat ? unheard : host)
    if (db.get('pool', this.ref)?.master === NULL_REF) db.update('pool', this.ref, { master: ref })
    stock?.added(ref)
    return ref
  }

  /** Writes the configured fields of a host. */
  configureHost(ref: string, fields: Partial<Pick<RecordTypes['host'], 'hostname' | 'name_label' | 'address'>>): void {
    this.#parts.db.update('host', ref, fields)
  }

  /** Writes the configured fields of an SR. */
  configureSr(ref: string, fields: Partial<Pick<RecordTypes['SR'], 'name_label' | 'type'>>): void {
    this.#parts.db.update('SR', ref, fields)
  }

  /** Adds an SR and returns its ref. */
  addSr(sr: NewSr): string {
    const ref = addSr(this.#parts.db, sr)
    this.#parts.stock?.added(null)
    return ref
  }

  /** Connects a host to an SR and returns the ref of the PBD. */
  addPbd(pbd: NewPbd): string {
    const ref = addPbd(this.#parts.db, pbd)
    this.#parts.stock?.added(null)
    return ref
  }

  removePbd(ref: string): void {
    removePbd(this.#parts.db, ref)
  }

  /** Removes a host and its PBDs. */
  removeHost(ref: string): void {
    removeHost(this.#parts.db, ref)
  }

  /** Adds hosts, one aggregated SR, and an attached PBD of it for each host. */
  seed(hostnames: readonly string[], sr: NewSr = {}): SeededPool {
    const srRef = this.addSr({ name_label: 'mirrored', clustered: true, ...sr })
    const hosts = hostnames.map(hostname => {
      const ref = this.addHost({ hostname })
      return { ref, pbd: this.addPbd({ host: ref, sr: srRef, attached: true }) }
    })
    return { sr: srRef, hosts }
  }

  #collectTasks(everyMs: number): void {
    this.#cancelCollection = this.#clock.after(everyMs, () => {
      this.#parts.tasks.collect()
      this.#collectTasks(everyMs)
    })
  }
}

/** Refs of the added objects. */
export interface SeededPool {
  readonly sr: string
  readonly hosts: readonly { readonly ref: string; readonly pbd: string }[]
}
