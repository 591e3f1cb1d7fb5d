import { HEALTH_CHECK_LABEL } from '../../allowed-operations/rules/stock-rules.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { Database } from '../database/database.ts'
import type { Tasks } from '../tasks/tasks.ts'
import type { AllowedOperationsField } from './allowed-operations-field.ts'
import { askDriver, StockFailure } from './stock-failure.ts'
import type { SrDrivers, SrHealth } from './stock-options.ts'

export interface SrHealthCheckOptions {
  readonly clock: Clock
  readonly drivers: SrDrivers
  readonly tasks: Tasks
  readonly field: AllowedOperationsField
  readonly onBug: (bug: unknown) => void
}

/** The thread asks this often (xapi_sr_operations.ml:330). */
const POLL_MS = 30_000
/** The user that xapi itself is. */
const XAPI = { user: '', role: 'pool-admin' } as const

/**
 * sr_health_check of stock xapi (xapi_sr_operations.ml:310-366). It asks once, when a PBD is plugged on the master of its SR. If the SR
 * recovers then, a task blocks the pool, and a thread asks every 30 s until the SR no longer recovers.
 *
 * The holes of stock are kept: a resync that begins after the plug is not noticed; a plug on a member does nothing; if SR.stat fails in
 * the thread, the thread ends and the task stays; if the task is gone, the thread ends and recomputes nothing.
 */
export class SrHealthCheck {
  readonly #db: Database
  readonly #options: SrHealthCheckOptions
  /** Cancels the wait of each thread. */
  readonly #threads = new Set<() => void>()

  constructor(db: Database, options: SrHealthCheckOptions) {
    this.#db = db
    this.#options = options
  }

  /** SR.stat. @throws StockFailure */
  async stat(srRef: string): Promise<SrHealth> {
    const { srStat } = this.#options.drivers
    return srStat === undefined ? 'Healthy' : askDriver(() => srStat(srRef))
  }

  /** What SR.stat says of `clustered`. */
  isClustered(srRef: string): boolean {
    const sr = this.#db.get('SR', srRef)
    return sr !== undefined && (sr.clustered || (this.#options.drivers.isClustered?.(sr.type) ?? false))
  }

  /** `i_am_srmaster` (helpers.ml:1510-1530): of a shared SR the coordinator, of another one the host of its PBD. */
  isMasterOf(srRef: string, hostRef: string): boolean {
    const sr = this.#db.get('SR', srRef)
    return sr?.shared !== true || this.#db.list('pool').some(([, { master }]) => master === hostRef)
  }

  /** The check after a plug on a host. @throws StockFailure */
  async check(srRef: string, hostRef: string): Promise<void> {
    if (!this.isMasterOf(srRef, hostRef) || (await this.stat(srRef)) !== 'Recovering' || !this.isClustered(srRef))
      return
    const { tasks, field } = this.#options
    const task = tasks.create(HEALTH_CHECK_LABEL, srRef, XAPI)
    field.updateAll()
    this.#pollLater(srRef, task)
  }

  /** After an unplug on the master every task of the SR, also of clients, is `cancelling`. It blocks until its thread sees that. */
  stop(srRef: string, hostRef: string): void {
    if (!this.isMasterOf(srRef, hostRef)) return
    for (const [ref, { name_label, name_description }] of this.#db.list('task')) {
      if (name_label === HEALTH_CHECK_LABEL && name_description === srRef)
        this.#options.tasks.setStatus(ref, 'cancelling')
    }
  }

  /** The xapi that runs the threads ends. */
  close(): void {
    for (const cancel of this.#threads) cancel()
    this.#threads.clear()
  }

  #pollLater(srRef: string, task: string): void {
    const cancel = this.#options.clock.after(POLL_MS, () => {
      this.#threads.delete(cancel)
      this.#poll(srRef, task).catch(failure => {
        // the thread ends, and its task stays
        if (!(failure instanceof StockFailure)) this.#options.onBug(failure)
      })
    })
    this.#threads.add(cancel)
  }

  async #poll(srRef: string, task: string): Promise<void> {
    const health = await this.stat(srRef)
    const record = this.#db.get('task', task)
    if (record === undefined) return
    if (record.status !== 'cancelling' && health === 'Recovering' && this.isClustered(srRef)) {
      this.#pollLater(srRef, task)
      return
    }
    this.#options.tasks.discard(task)
    this.#options.field.updateAll()
  }
}
