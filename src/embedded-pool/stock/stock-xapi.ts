import type { PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import type { ListeningAt } from '../../platform/http/listen.ts'
import type { CallTable } from '../calls/call.ts'
import type { Database } from '../database/database.ts'
import { NULL_REF } from '../database/records.ts'
import type { Dispatch } from '../dispatch/json-rpc.ts'
import type { HostPresence } from '../hosts/host-presence.ts'
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

interface StockXapiParts {
  readonly db: Database
  readonly presence: HostPresence
  readonly tasks: Tasks
  readonly snapshot: () => PoolSnapshot
  readonly powerOnTimeoutMs: number
  readonly onBug: (bug: unknown) => void
}

/** Calls of the project that a stock xapi does not have, or does not offer to clients. */
const NOT_STOCK: ReadonlySet<string> = new Set(['host.clear_order', 'pool.hello', 'host.tickle_heartbeat'])

/** The parts of an embedded pool that behave as an unmodified xapi (xen-api e2ee48d688). */
export class StockXapi {
  readonly #field: AllowedOperationsField
  readonly #hosts: StockHosts
  readonly #storage: StockStorage
  readonly #calls: CallTable
  readonly #endpoints: StockEndpoints
  #dispatch: Dispatch = async () => ({ error: ['HOST_STILL_BOOTING'] })

  constructor(options: StockPoolOptions, { db, presence, tasks, snapshot, powerOnTimeoutMs, onBug }: StockXapiParts) {
    const { clock, machines = {}, drivers = {} } = options
    const times = { ...STOCK_TIMES, ...options.times }
    const field = new AllowedOperationsField(db, snapshot)
    const storage = new StockStorage(db, { clock, drivers, tasks, field, onBug })
    const hosts = new StockHosts(db, { clock, times, machines, presence, field, storage, onBug })
    this.#field = field
    const coordinator = () => {
      const ref = db.list('pool')[0]?.[1].master ?? NULL_REF
      return { ref, address: db.get('host', ref)?.address ?? '' }
    }
    this.#endpoints = new StockEndpoints({ dispatch: (...call) => this.#dispatch(...call), clock, coordinator, onBug })
    this.#hosts = hosts
    const operations = new StockHostOperations(db, {
      clock,
      times,
      machines,
      presence,
      hosts,
      field,
      powerOnTimeoutMs,
    })
    this.#storage = storage
    this.#calls = {
      ...stockHostCalls(operations),
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

  /** A host was added as one that has started completely. */
  added(hostRef: string): void {
    this.#field.update(hostRef)
  }

  /** A host is off without a shutdown. */
  left(hostRef: string): void {
    this.#hosts.left(hostRef)
  }

  returned(hostRef: string, { bootTimeMs }: { readonly bootTimeMs: number }): void {
    this.#hosts.returned(hostRef, { bootTimeMs })
  }

  async close(): Promise<void> {
    this.#hosts.close()
    this.#storage.health.close()
    await this.#endpoints.close()
  }
}
