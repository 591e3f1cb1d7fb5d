import { randomUUID } from 'node:crypto'
import type { HostOperation } from '../allowed-operations/host-operation.ts'
import type { PoolSnapshot } from '../allowed-operations/pool-snapshot.ts'
import { type Change, Database } from './database.ts'
import { Dispatcher } from './dispatcher.ts'
import { EventFeed, eventCalls } from './events.ts'
import { type HostPlugins, hostCalls } from './host-calls.ts'
import { type HostMachines, type HostOperationGate, HostOperations } from './host-operations.ts'
import { JsonRpc } from './json-rpc.ts'
import { addHost, addPbd, addSr, type NewHost, type NewPbd, type NewSr, removeHost, removePbd } from './membership.ts'
import { messageCalls } from './messages.ts'
import { newPool } from './new-record.ts'
import { otherConfigCalls } from './other-config-calls.ts'
import { recordCalls } from './record-calls.ts'
import { NULL_REF, type PublicClass, type RecordTypes } from './records.ts'
import { ReportTimes } from './report-times.ts'
import { type ListenOptions, XenApiServer } from './server.ts'
import { Sessions, sessionCalls } from './sessions.ts'
import { takeSnapshot } from './snapshot.ts'
import { Tasks, taskCalls } from './tasks.ts'
import { machineTimers, type Timers } from './timers.ts'

export interface PoolOptions {
  readonly gate: HostOperationGate
  readonly machines: HostMachines
  /** Answers host.call_plugin. Default: no host has any plugin. */
  readonly plugins?: HostPlugins
  /** Who may log in. */
  readonly authenticate: (user: string, password: string) => boolean
  /** Milliseconds of the epoch. Default Date.now. */
  readonly now?: () => number
  readonly timers?: Timers
  /** From a host's return to its being enabled. Default 1 000. */
  readonly enableDelayMs?: number
  /** How long event.from gathers changes. Default 50, as stock's. */
  readonly eventBatchMs?: number
  /** event.from calls under way at once. Default 200. */
  readonly maxWaitingEventCalls?: number
  /** Told of what must not happen: an error of this program behind an INTERNAL_ERROR, a subscriber that throws. */
  readonly onBug?: (bug: unknown) => void
}

/**
 * A XenAPI pool inside this process, for trying, testing and simulating: a database, XenAPI's methods on it, and an HTTP
 * server for them. The machines, the gate, the plugins and the clock are parameters.
 */
export class EmbeddedPool {
  readonly #db: Database
  readonly #events: EventFeed
  readonly #operations: HostOperations
  readonly #server: XenApiServer
  readonly #closing = new AbortController()
  readonly #now: () => number
  readonly #snapshot: () => PoolSnapshot
  /** Ref of the pool's record. */
  readonly ref: string

  constructor(options: PoolOptions) {
    const { gate, machines, now = Date.now, timers = machineTimers, onBug = () => undefined } = options
    const plugins: HostPlugins =
      options.plugins ?? (async ({ plugin }) => ({ error: ['XENAPI_MISSING_PLUGIN', plugin] }))
    // microseconds: above all generations of an earlier run that wrote less than a million times a second
    const db = new Database(now() * 1000, onBug)
    const reportTimes = new ReportTimes(db, now)
    const sessions = new Sessions(db, now, options.authenticate)
    const tasks = new Tasks(db, now)
    this.#db = db
    this.#now = now
    this.#events = new EventFeed(db, {
      timers,
      batchMs: options.eventBatchMs ?? 50,
      maxWaiting: options.maxWaitingEventCalls ?? 200,
    })
    this.#snapshot = () => {
      const memory = (hostRef: string) => this.#operations.memory(hostRef)
      return takeSnapshot({ db, reportTimes, memory, powerOnPlugin: machines.powerOn !== undefined })
    }
    this.#operations = new HostOperations(db, {
      gate,
      machines,
      snapshot: this.#snapshot,
      now,
      timers,
      enableDelayMs: options.enableDelayMs ?? 1_000,
    })
    const calls = {
      ...recordCalls(db),
      ...otherConfigCalls(db, reportTimes),
      ...sessionCalls(sessions),
      ...taskCalls(tasks),
      ...messageCalls(db, now),
      ...eventCalls(this.#events),
      ...hostCalls(this.#operations, plugins, now),
    }
    const dispatcher = new Dispatcher({ db, sessions, tasks, calls, closing: this.#closing.signal, onBug })
    this.#server = new XenApiServer(new JsonRpc(dispatcher), onBug)

    this.ref = db.create('pool', newPool({ uuid: randomUUID() }))
  }

  /** Begins to serve XenAPI at http://host:port/jsonrpc. @returns where; @throws the system's error, such as EADDRINUSE */
  listen(options: ListenOptions): Promise<{ readonly host: string; readonly port: number }> {
    return this.#server.listen(options)
  }

  /** Ends waiting calls, connections and timers. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#events.close()
    this.#operations.close()
    await this.#server.close()
  }

  /** Calls back in the same step as each write, after it. Returns the way to stop it. */
  subscribe(subscriber: (change: Change) => void): () => void {
    return this.#db.subscribe(subscriber)
  }

  /** The record as it is now; `undefined` if there is none. */
  get<C extends PublicClass>(cls: C, ref: string): RecordTypes[C] | undefined {
    return this.#db.get(cls, ref)
  }

  /** The records of a class as they are now, oldest first. */
  list<C extends PublicClass>(cls: C): readonly (readonly [ref: string, record: RecordTypes[C]])[] {
    return this.#db.list(cls)
  }

  /** The pool as the gate wants it. Overrides and what was learned by polling are the asker's to add. */
  poolSnapshot(): PoolSnapshot {
    return this.#snapshot()
  }

  /** Writes host.allowed_operations; nothing if it says so already. */
  setAllowedOperations(hostRef: string, operations: readonly HostOperation[]): void {
    this.#operations.setAllowedOperations(hostRef, operations)
  }

  /** The driver of the machines says that a host is down, as told or by itself. */
  hostLeft(hostRef: string): void {
    this.#operations.hostLeft(hostRef)
  }

  /** The driver of the machines says that a host is back. @param bootTimeMs when its kernel started, by its own clock */
  hostReturned(hostRef: string, boot: { readonly bootTimeMs: number }): void {
    this.#operations.hostReturned(hostRef, boot)
  }

  /** Adds a host and returns its ref. The first one is the coordinator. */
  addHost(host: NewHost): string {
    const ref = addHost(this.#db, this.#now(), host)
    if (this.#db.get('pool', this.ref)?.master === NULL_REF) this.#db.update('pool', this.ref, { master: ref })
    return ref
  }

  /** Adds an SR and returns its ref. */
  addSr(sr: NewSr): string {
    return addSr(this.#db, sr)
  }

  /** Connects a host to an SR and returns the PBD's ref. */
  addPbd(pbd: NewPbd): string {
    return addPbd(this.#db, pbd)
  }

  removePbd(ref: string): void {
    removePbd(this.#db, ref)
  }

  /** Forgets a host with its PBDs. */
  removeHost(ref: string): void {
    removeHost(this.#db, ref)
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
}

/** Refs of what was added. */
export interface SeededPool {
  readonly sr: string
  readonly hosts: readonly { readonly ref: string; readonly pbd: string }[]
}
