import { randomUUID } from 'node:crypto'
import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import { encodeKnownPeers, KNOWN_PEERS_KEY } from '../allowed-operations/pool/known-peers.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import type { ListeningAt } from '../platform/http/listen.ts'
import { machineTimers, type Timers } from '../platform/time/timers.ts'
import { answerCalls } from './calls/answer-calls.ts'
import { ApiFailure } from './calls/api-failure.ts'
import type { CallTable } from './calls/call.ts'
import { emptyClassCalls, emptyClassNames } from './calls/empty-classes.ts'
import { eventCalls } from './calls/event-calls.ts'
import { heartbeatCalls } from './calls/heartbeat-calls.ts'
import { type HostPlugins, hostCalls } from './calls/host-calls.ts'
import { mapFieldCalls } from './calls/map-field-calls.ts'
import { membershipCalls } from './calls/membership-calls.ts'
import { messageCalls } from './calls/message-calls.ts'
import { publicRecord } from './calls/public-record.ts'
import { recordCalls } from './calls/record-calls.ts'
import { roleCalls } from './calls/role-calls.ts'
import { sessionCalls } from './calls/session-calls.ts'
import { setterCalls } from './calls/setter-calls.ts'
import { taskCalls } from './calls/task-calls.ts'
import { Database, type RecordChange } from './database/database.ts'
import { newPool } from './database/new-record.ts'
import { PoolKeeper } from './database/pool-keeper.ts'
import { NULL_REF, type PublicClass, type RecordTypes } from './database/records.ts'
import { EventFeed } from './events/event-feed.ts'
import { ChangedSeqs } from './hosts/changed-seqs.ts'
import { ForgottenMembers } from './hosts/forgotten-members.ts'
import { Heartbeats } from './hosts/heartbeats.ts'
import { HostOperations } from './hosts/host-operations.ts'
import { HostPresence } from './hosts/host-presence.ts'
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
import { ReportTimes } from './hosts/report-times.ts'
import { POOL_DEFAULTS, type PoolOptions } from './pool-options.ts'
import { type ListenOptions, XenApiServer } from './server.ts'
import { LoginBrake } from './sessions/login-brake.ts'
import { Sessions } from './sessions/sessions.ts'
import { takeSnapshot } from './snapshot.ts'
import { Tasks } from './tasks/tasks.ts'

/**
 * A XenAPI pool inside this process, for trying, testing and simulating: a database, XenAPI's methods on it, and an HTTP
 * server for them. The machines, the gate, the plugins and the clock are parameters.
 */
export class EmbeddedPool {
  readonly #db: Database
  readonly #events: EventFeed
  readonly #presence: HostPresence
  readonly #heartbeats: Heartbeats
  readonly #operations: HostOperations
  readonly #keeper: PoolKeeper
  readonly #server: XenApiServer
  readonly #sessions: Sessions
  readonly #brake: LoginBrake
  readonly #closing = new AbortController()
  readonly #now: () => number
  readonly #liveByHeartbeat: boolean
  readonly #snapshot: () => PoolSnapshot
  #cancelCollection: () => void = () => undefined
  /** Ref of the pool's record. */
  readonly ref: string
  /** What calls have taken out of the pool although its configuration names it. */
  readonly forgotten: ForgottenMembers

  /** @throws StateFileError: there is a state file, and it cannot be used; or another process uses it */
  constructor(options: PoolOptions) {
    const given = { ...POOL_DEFAULTS, ...options }
    const { gate, machines, now = Date.now, steadyNow, timers = machineTimers, onBug = () => undefined } = given
    const plugins: HostPlugins = given.plugins ?? (async ({ plugin }) => ({ error: ['XENAPI_MISSING_PLUGIN', plugin] }))
    const opened = PoolKeeper.open(given.stateFile, given.procDirectory)
    // microseconds: above all generations of an earlier run that wrote less than a million times a second, and above those
    // that it wrote after its last save
    const db = new Database(Math.max(now() * 1000, (opened.stored?.generation ?? 0) + 1_000_000), onBug)
    const presence = new HostPresence(db, { now, steadyNow, timers, enableDelayMs: given.enableDelayMs })
    const reportTimes = new ReportTimes(db, now)
    const brake = new LoginBrake({
      timers,
      delayMs: given.failedLoginDelayMs,
      maxUnderWay: given.maxFailedLogins,
      tellEveryMs: given.tellFailedLoginsEveryMs,
      onFailed: given.onFailedLogins ?? (() => undefined),
    })
    const sessions = new Sessions(db, now, { authenticate: given.authenticate, brake })
    const tasks = new Tasks(db, now)
    const keeper = new PoolKeeper(db, presence, {
      path: given.stateFile,
      opened,
      timers,
      delayMs: given.stateDelayMs,
      onProblem: given.onStateProblem ?? (() => undefined),
    })
    const assumeDeadAfterMs = given.heartbeat?.assumeDeadAfterMs ?? null
    this.forgotten = new ForgottenMembers(db, given.isConfigured)
    this.#db = db
    this.#now = now
    this.#sessions = sessions
    this.#brake = brake
    this.#presence = presence
    this.#keeper = keeper
    this.#liveByHeartbeat = assumeDeadAfterMs !== null
    this.#heartbeats = new Heartbeats(db, presence, { assumeDeadAfterMs, now, steadyNow, timers })
    this.#events = new EventFeed(db, {
      timers,
      batchMs: given.eventBatchMs,
      maxWaiting: given.maxWaitingEventCalls,
      maxWaitingPerSession: given.maxWaitingEventCallsPerSession,
      maxWaitingPerUser: given.maxWaitingEventCallsPerUser,
      emptyClasses: emptyClassNames(),
      show: publicRecord,
      isOfHost: session => (sessions.find(session)?.host ?? null) !== null,
    })
    const memory = (hostRef: string) => presence.memory(hostRef)
    const changedSeqs = new ChangedSeqs(db, now)
    this.#snapshot = () =>
      takeSnapshot({ db, reportTimes, changedSeqs, memory, powerOnPlugin: machines.powerOn !== undefined })
    const onDisk = async (written: Promise<void>) => {
      try {
        await written
      } catch {
        // whoever keeps the pool is told what the problem is; a client may not be
        throw new ApiFailure('INTERNAL_ERROR', 'the state of the pool cannot be written')
      }
    }
    const saved = () => onDisk(keeper.saved())
    const keep = (undo: () => void) => onDisk(keeper.keep(undo))
    const operations = new HostOperations(db, {
      gate,
      machines,
      presence,
      snapshot: this.#snapshot,
      timers,
      steadyNow,
      powerOnTimeoutMs: given.powerOnTimeoutMs,
      orderLifeMs: given.orderLifeMs,
      byHeartbeat: this.#liveByHeartbeat,
      onOrder: given.onOrder,
      saved,
    })
    this.#operations = operations
    const calls: CallTable = {
      ...recordCalls(db),
      ...setterCalls(db),
      ...mapFieldCalls(db, reportTimes, tasks),
      ...sessionCalls(db, sessions, { now, allCalls: () => calls }),
      ...taskCalls(db, tasks),
      ...messageCalls(db, now),
      ...eventCalls(this.#events),
      ...hostCalls({ operations, presence, plugins, hostNow: hostRef => this.#heartbeats.hostNow(hostRef) }),
      ...membershipCalls(db, presence, this.forgotten),
      ...heartbeatCalls({
        db,
        heartbeats: this.#heartbeats,
        orders: operations.orders,
        changedSeqs,
        carriesLifeOf: (hostRef, session) => sessions.carriesLifeOf(hostRef, session),
      }),
      ...roleCalls(() => calls),
      ...emptyClassCalls(),
    }
    const { maxCallsUnderWay: maxUnderWay, maxWaitingCalls } = given
    const shares = { maxUnderWay, maxWaitingCalls, steadyNow }
    const closing = this.#closing.signal
    const { onRefused } = given
    const answer = answerCalls({ db, sessions, tasks, calls, closing, keep, onBug, onRefused, ...shares })
    this.#server = new XenApiServer(answer, onBug)

    this.ref = db.list('pool')[0]?.[0] ?? db.create('pool', newPool({ uuid: randomUUID() }))
    this.#heartbeats.start()
    this.#collectTasks(tasks, timers, given.taskCollectionEveryMs)
  }

  /**
   * Begins to serve XenAPI at http(s)://host:port/jsonrpc, and then writes the state file: a start that fails writes less.
   * @returns where; @throws the system's error, such as EADDRINUSE; StateFileError: the state cannot be kept
   */
  async listen(options: ListenOptions): Promise<ListeningAt> {
    const at = await this.#server.listen(options)
    try {
      await this.#keeper.saved()
    } catch (problem) {
      await this.#server.close()
      throw problem
    }
    return at
  }

  /** Ends waiting calls, connections and timers, and writes the state file. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#operations.orders.close()
    this.#cancelCollection()
    this.#events.close()
    this.#heartbeats.close()
    this.#presence.close()
    this.#brake.close()
    await this.#server.close()
    await this.#keeper.close()
  }

  /** Resolves when everything written so far is in the state file; at once without one. @throws StateFileError */
  saved(): Promise<void> {
    return this.#keeper.saved()
  }

  /** Users who may no longer log in, or not as what they were, are logged out; `authenticate` must know that already. */
  endSessionsOf(users: ReadonlySet<string>): void {
    this.#sessions.endOf(user => users.has(user))
  }

  /** Calls back in the same step as each write, after it. Returns the way to stop it. */
  subscribe(subscriber: (change: RecordChange) => void): () => void {
    return this.#db.subscribe(subscriber)
  }

  /** The record as clients see it now; `undefined` if there is none. */
  get<C extends PublicClass>(cls: C, ref: string): RecordTypes[C] | undefined {
    const record = this.#db.get(cls, ref)
    return record === undefined ? undefined : publicRecord(cls, record)
  }

  /** The records of a class as clients see them now, oldest first. */
  list<C extends PublicClass>(cls: C): readonly (readonly [ref: string, record: RecordTypes[C]])[] {
    return this.#db.list(cls).map(([ref, record]) => [ref, publicRecord(cls, record)] as const)
  }

  /** The pool as the gate wants it. What was learned by polling is the asker's to add. */
  poolSnapshot(): PoolSnapshot {
    return this.#snapshot()
  }

  /** Writes host.allowed_operations; nothing if it says so already. */
  setAllowedOperations(hostRef: string, operations: readonly HostOperation[]): void {
    this.#operations.setAllowedOperations(hostRef, operations)
  }

  /** The key with which a host's agent proves its answers to polls; `null`: it has handed over none in this run. */
  pollKey(hostRef: string): string | null {
    return this.#heartbeats.pollKey(hostRef)
  }

  /** Keeps the peers that the host of a PBD has listed last; nothing if they are kept already. */
  keepPeers(pbdRef: string, peers: readonly string[]): void {
    const pbd = this.#db.get('PBD', pbdRef)
    const text = encodeKnownPeers(peers)
    if (pbd === undefined || pbd.other_config[KNOWN_PEERS_KEY] === text) return
    this.#db.update('PBD', pbdRef, { other_config: { ...pbd.other_config, [KNOWN_PEERS_KEY]: text } })
  }

  /** The driver of the machines says that a host is down, as told or by itself. */
  hostLeft(hostRef: string): void {
    this.#presence.left(hostRef)
  }

  /** The driver of the machines says that a host is back. @param bootTimeMs when its kernel started, by its own clock */
  hostReturned(hostRef: string, { bootTimeMs }: { readonly bootTimeMs: number }): void {
    this.#presence.returned(hostRef, { bootTimeMs })
  }

  /** The toolstack of a host was started anew, the host was not: its `agent_start_time` moves, and nothing else. */
  toolstackRestarted(hostRef: string): void {
    this.#presence.toolstackRestarted(hostRef, this.#now())
  }

  /** Another host becomes the coordinator. */
  designateCoordinator(hostRef: string): void {
    if (this.#db.has('host', hostRef)) this.#db.update('pool', this.ref, { master: hostRef })
  }

  /** Adds a host and returns its ref. The first one is the coordinator. With liveness by heartbeat it is not live yet. */
  addHost(host: NewHost): string {
    const unheard = { enabled: true, ...host, live: false }
    const ref = addHost(this.#db, this.#now(), this.#liveByHeartbeat ? unheard : host)
    if (this.#db.get('pool', this.ref)?.master === NULL_REF) this.#db.update('pool', this.ref, { master: ref })
    return ref
  }

  /** Writes what a configuration says of a host. */
  configureHost(ref: string, fields: Partial<Pick<RecordTypes['host'], 'hostname' | 'name_label' | 'address'>>): void {
    this.#db.update('host', ref, fields)
  }

  /** Writes what a configuration says of an SR. */
  configureSr(ref: string, fields: Partial<Pick<RecordTypes['SR'], 'name_label' | 'type'>>): void {
    this.#db.update('SR', ref, fields)
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

  #collectTasks(tasks: Tasks, timers: Timers, everyMs: number): void {
    this.#cancelCollection = timers.after(everyMs, () => {
      tasks.collect()
      this.#collectTasks(tasks, timers, everyMs)
    })
  }
}

/** Refs of what was added. */
export interface SeededPool {
  readonly sr: string
  readonly hosts: readonly { readonly ref: string; readonly pbd: string }[]
}
