import type { PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import type { ListeningAt } from '../../platform/http/listen.ts'
import type { CallTable } from '../calls/call.ts'
import type { Database } from '../database/database.ts'
import { NULL_REF } from '../database/records.ts'
import type { Dispatch } from '../dispatch/json-rpc.ts'
import type { HostPresence } from '../hosts/host-presence.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Tasks } from '../tasks/tasks.ts'
import { AllowedOperationsField } from './allowed-operations-field.ts'
import { StockEndpoints, type StockListenOptions } from './stock-endpoints.ts'
import { stockHostCalls } from './stock-host-calls.ts'
import { StockHostOperations } from './stock-host-operations.ts'
import { StockHosts } from './stock-hosts.ts'
import { STOCK_TIMES, type StockPoolOptions } from './stock-options.ts'
import { StockStorage } from './stock-storage.ts'
import { stockStorageCalls } from './stock-storage-calls.ts'
import { stockTaskCalls } from './stock-task-calls.ts'
import { Toolstack, type ToolstackEnd } from './toolstack.ts'

interface StockXapiParts {
  readonly db: Database
  readonly presence: HostPresence
  readonly tasks: Tasks
  readonly sessions: Sessions
  readonly snapshot: () => PoolSnapshot
  readonly powerOnTimeoutMs: number
  readonly onBug: (bug: unknown) => void
}

/** Calls of the project that a stock xapi does not have, or does not offer to clients. */
const NOT_STOCK: ReadonlySet<string> = new Set(['host.clear_order', 'pool.hello', 'host.tickle_heartbeat'])

/** What clients know a toolstack by, instead of the name of this project. */
const SOFTWARE = { product_brand: 'XCP-ng' }

/** The parts of an embedded pool that behave as an unmodified xapi (xen-api e2ee48d688). */
export class StockXapi {
  readonly #db: Database
  readonly #field: AllowedOperationsField
  readonly #hosts: StockHosts
  readonly #storage: StockStorage
  readonly #calls: CallTable
  readonly #endpoints: StockEndpoints
  readonly #toolstack: Toolstack
  readonly #isCoordinator: (ref: string) => boolean
  readonly #onBug: (bug: unknown) => void
  #dispatch: Dispatch = async () => ({ error: ['HOST_STILL_BOOTING'] })

  constructor(options: StockPoolOptions, parts: StockXapiParts) {
    const { db, presence, tasks, sessions, snapshot, powerOnTimeoutMs, onBug } = parts
    const { clock, machines = {}, drivers = {} } = options
    const times = { ...STOCK_TIMES, ...options.times }
    const field = new AllowedOperationsField(db, snapshot)
    const storage = new StockStorage(db, { clock, drivers, tasks, field, onBug })
    const coordinator = () => db.list('pool')[0]?.[1].master ?? NULL_REF
    const hosts = new StockHosts(db, {
      ...{ clock, times, machines, presence, field, storage, onBug },
      isCoordinator: ref => ref === coordinator(),
      onCoordinatorDown: () => void this.#toolstack.stop('term').catch(onBug),
    })
    const ofOperations = { clock, times, machines, presence, hosts, field, powerOnTimeoutMs }
    const operations = new StockHostOperations(db, ofOperations)
    this.#endpoints = new StockEndpoints({
      dispatch: (...call) => this.#dispatch(...call),
      clock,
      coordinator: () => ({ ref: coordinator(), address: db.get('host', coordinator())?.address ?? '' }),
      onBug,
    })
    const endpoints = this.#endpoints
    this.#toolstack = new Toolstack(db, { clock, times, sessions, tasks, field, storage, hosts, operations, endpoints })
    this.#db = db
    this.#field = field
    this.#hosts = hosts
    this.#storage = storage
    this.#isCoordinator = ref => ref === coordinator()
    this.#onBug = onBug
    this.#calls = {
      ...stockHostCalls(operations, ref => this.#restartAgent(ref)),
      ...stockStorageCalls(db, storage, operations),
      ...stockTaskCalls(db, tasks),
    }
  }

  /** The calls of the project with those of a stock xapi in their place. */
  callsInPlaceOf(project: CallTable): CallTable {
    const kept = Object.entries(project).filter(([method]) => !NOT_STOCK.has(method))
    return { ...Object.fromEntries(kept), ...this.#calls }
  }

  /** Sets what runs the calls of clients, before the first `listen`. */
  answerWith(dispatch: Dispatch): void {
    this.#dispatch = dispatch
  }

  /** Serves one host at one more address. @throws the error of the system, such as EADDRINUSE */
  listen(options: StockListenOptions): Promise<ListeningAt> {
    return this.#endpoints.listen(options)
  }

  /** The driver has added a host, one that has started completely, or an SR or a PBD: the database on disk contains it. */
  added(hostRef: string | null): void {
    if (hostRef !== null) {
      const software_version = { ...SOFTWARE, ...this.#db.get('host', hostRef)?.software_version }
      this.#db.update('host', hostRef, { software_version })
      this.#field.update(hostRef)
    }
    this.#toolstack.flush()
  }

  /** Restarts the xapi of the coordinator. Resolves when it answers again. */
  restartToolstack(how: ToolstackEnd): Promise<void> {
    return this.#toolstack.restart(how)
  }

  /** A host is off without a shutdown. */
  left(hostRef: string): void {
    this.#hosts.left(hostRef)
    if (this.#isCoordinator(hostRef)) this.#toolstack.stop('kill').catch(this.#onBug)
  }

  returned(hostRef: string, boot: { readonly bootTimeMs: number }): void {
    if (this.#isCoordinator(hostRef)) this.#bootCoordinator(hostRef, boot).catch(this.#onBug)
    else this.#hosts.returned(hostRef, boot)
  }

  async close(): Promise<void> {
    this.#toolstack.close()
    this.#hosts.close()
    this.#storage.health.close()
    await this.#endpoints.close()
  }

  async #bootCoordinator(hostRef: string, boot: { readonly bootTimeMs: number }): Promise<void> {
    await this.#toolstack.start()
    this.#hosts.booted(hostRef, boot)
  }

  #restartAgent(hostRef: string): void {
    if (!this.#isCoordinator(hostRef)) this.#hosts.restartAgent(hostRef)
    else this.#toolstack.restart('term').catch(this.#onBug)
  }
}
