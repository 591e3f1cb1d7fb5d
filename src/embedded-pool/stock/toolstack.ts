import { type Clock, sleep } from '../../platform/time/clock.ts'
import type { Database } from '../database/database.ts'
import type { ClassName } from '../database/records.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Tasks } from '../tasks/tasks.ts'
import type { AllowedOperationsField } from './allowed-operations-field.ts'
import type { StockEndpoints } from './stock-endpoints.ts'
import type { StockHostOperations } from './stock-host-operations.ts'
import type { StockHosts } from './stock-hosts.ts'
import type { StockTimes } from './stock-options.ts'
import type { StockStorage } from './stock-storage.ts'

/** How the xapi of the coordinator ends: by SIGTERM, where it writes its database, or by SIGKILL. */
export type ToolstackEnd = 'term' | 'kill'

export interface ToolstackOptions {
  readonly clock: Clock
  readonly times: StockTimes
  readonly sessions: Sessions
  readonly tasks: Tasks
  readonly field: AllowedOperationsField
  readonly storage: StockStorage
  readonly hosts: StockHosts
  readonly operations: StockHostOperations
  readonly endpoints: StockEndpoints
}

/** Messages are files of their own, and sessions and tasks are never written. */
const WRITTEN_CLASSES = ['pool', 'host_metrics', 'host', 'SR', 'PBD'] as const satisfies readonly ClassName[]

/** The xapi of the coordinator as a process: its ends and starts, and when it writes its database to disk. */
export class Toolstack {
  readonly #db: Database
  readonly #options: ToolstackOptions
  /** Puts the database back to its last write to disk. */
  #restoreImage: () => void
  #isClosed = false
  /** Resolves when the addresses of the run that has ended are free; `null` while the xapi runs. */
  #ended: Promise<void> | null = null
  #cancelFlush: () => void = () => undefined
  #cancelStartUp: () => void = () => undefined

  constructor(db: Database, options: ToolstackOptions) {
    this.#db = db
    this.#options = options
    this.#restoreImage = db.image(WRITTEN_CLASSES)
    this.#flushLater()
  }

  /** Writes the database to disk. xapi does it every 5 minutes and when it is stopped. */
  flush(): void {
    this.#restoreImage = this.#db.image(WRITTEN_CLASSES)
  }

  /** Restarts the xapi of the coordinator, and no host. Resolves when it answers again. */
  async restart(how: ToolstackEnd): Promise<void> {
    const { clock, times } = this.#options
    if (how === 'term') await sleep(clock, times.termMs)
    await this.stop(how)
    await sleep(clock, times.awayMs)
    await this.start()
  }

  /** Ends the xapi: connections, sessions, tasks and threads are gone. */
  async stop(how: ToolstackEnd): Promise<void> {
    const { endpoints, sessions, storage, hosts, operations } = this.#options
    this.#cancelStartUp()
    this.#cancelFlush()
    hosts.stopWaiting(this.#coordinator())
    storage.health.close()
    operations.dropCalls()
    this.#removeTasks()
    sessions.endOf(() => true)
    if (how === 'term') this.flush()
    this.#ended = endpoints.pause()
    await this.#ended
  }

  /** Starts the xapi with the database on disk. It answers at once; its start-up destroys all tasks a moment later. */
  async start(): Promise<void> {
    const { endpoints, hosts, clock, times } = this.#options
    await (this.#ended ?? this.stop('kill'))
    this.#ended = null
    this.#restoreImage()
    hosts.dropEndedOperations()
    hosts.coordinatorStarts(this.#coordinator())
    await endpoints.resume()
    if (this.#isClosed) return
    this.#flushLater()
    this.#cancelStartUp = clock.after(times.startUpMs, () => this.#finishStartUp())
  }

  close(): void {
    this.#isClosed = true
    this.#cancelFlush()
    this.#cancelStartUp()
  }

  /**
   * `cancel_tasks_on_host` of all hosts (dbsync_master.ml:376), which recomputes the fields; then all hosts are disabled and not live
   * until they say hello. Their fields are stale meanwhile.
   */
  #finishStartUp(): void {
    const { field, hosts, operations, clock, times } = this.#options
    operations.dropCalls()
    this.#removeTasks()
    hosts.dropEndedOperations()
    field.updateAll()
    hosts.disableAll(this.#coordinator())
    hosts.coordinatorHasStarted(this.#coordinator())
    this.#cancelStartUp = clock.after(times.helloAfterMs, () => hosts.membersHello(this.#coordinator()))
  }

  #removeTasks(): void {
    for (const [ref] of this.#db.list('task')) this.#options.tasks.discard(ref)
  }

  #coordinator(): string {
    return this.#db.list('pool')[0]?.[1].master ?? ''
  }

  #flushLater(): void {
    this.#cancelFlush = this.#options.clock.after(this.#options.times.flushEveryMs, () => {
      this.flush()
      this.#flushLater()
    })
  }
}
