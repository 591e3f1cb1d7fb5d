import { randomUUID } from 'node:crypto'
import type { XapiError } from '../../allowed-operations/pool/host-operation.ts'
import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'
import type { Caller } from '../calls/call.ts'
import type { Database } from '../database/database.ts'
import { newTask } from '../database/new-record.ts'
import { NULL_REF, type TaskRecord, type TaskStatus } from '../database/records.ts'
import { epochMsOf, xapiDateTime } from '../database/xapi-datetime.ts'
import { TaskBudget } from './task-budget.ts'

/** Completed tasks are kept this long after their `finished` (xapi_globs.ml:734). */
const COMPLETED_KEPT_MS = 65 * 60_000
/** Pending ones this long after their `created` (xapi_globs.ml:732), and on while their progress grows. */
const PENDING_KEPT_MS = 24 * 3_600_000

type TaskOwner = Pick<Caller, 'user' | 'role'>

const PENDING: readonly TaskStatus[] = ['pending', 'cancelling']

/** The life of tasks: asynchronous calls, and what clients make for themselves. */
export class Tasks {
  readonly #db: Database
  readonly #clock: Clock
  readonly #budget = new TaskBudget()
  /** The progress of those that are pending for too long, as the last collection saw it. */
  readonly #onProbation = new Map<string, number>()
  /** How to cancel what runs in this process. */
  readonly #running = new Map<string, AbortController>()

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
  }

  /** A task that a client makes for what it does itself. @throws ApiFailure TOO_MANY_PENDING_TASKS */
  create(label: string, description: string, owner: TaskOwner): string {
    return this.#add('made', { name_label: label, name_description: description }, owner)
  }

  isOwner(ref: string, user: string): boolean {
    return this.#budget.isOwner(ref, user)
  }

  /**
   * A task for a call that runs in this process.
   * @returns its ref, and what is aborted when the task is cancelled; @throws ApiFailure TOO_MANY_PENDING_TASKS
   */
  begin(label: string, owner: TaskOwner): { readonly ref: string; readonly cancelled: AbortSignal } {
    const ref = this.#add('call', { name_label: label }, owner)
    const canceller = new AbortController()
    this.#running.set(ref, canceller)
    return { ref, cancelled: canceller.signal }
  }

  succeed(ref: string, result: string): void {
    this.#end(ref, { status: 'success', result })
  }

  fail(ref: string, error: XapiError): void {
    const status = error[0] === 'TASK_CANCELLED' ? 'cancelled' : 'failure'
    this.#end(ref, { status, error_info: [...error] })
  }

  /**
   * Asks what runs to end; whether and when it does is its own (xapi_task.ml cancel). Whoever made a task for itself sees
   * the request in its current_operations.
   */
  cancel(ref: string, byTask: string): void {
    const task = this.#db.get('task', ref)
    if (task === undefined || !this.#isPending(ref)) return
    // said once: whoever asks again and again must not make the record grow
    if (!Object.values(task.current_operations).includes('cancel')) {
      this.#db.update('task', ref, { current_operations: { ...task.current_operations, [byTask]: 'cancel' } })
    }
    this.#running.get(ref)?.abort(new ApiFailure('TASK_CANCELLED', ref))
  }

  /** A client's own word. As in stock it leaves `finished` as it was: the next collection takes it away. */
  setStatus(ref: string, status: TaskStatus): void {
    if (PENDING.includes(status)) this.#budget.pend(ref)
    this.#db.update('task', ref, { status })
    this.#noteStatus(ref)
  }

  /**
   * Removes a completed task. A pending one stays until it is completed, as in stock (xapi_task.ml:35-42): destroying it
   * would lift a block that its task stands for while its cause goes on.
   * @param byTask the task of the call that destroys
   */
  destroy(ref: string, byTask: string): void {
    const task = this.#db.get('task', ref)
    if (task === undefined || !this.#isPending(ref)) this.#remove(ref)
    else if (!isToBeDestroyed(task)) {
      this.#db.update('task', ref, { current_operations: { ...task.current_operations, [byTask]: 'destroy' } })
    }
  }

  /** One pass of stock's collection (db_gc_util.ml timeout_tasks, probation_pending_tasks), which it makes every 30 s. */
  collect(): void {
    const nowMs = this.#clock.now()
    for (const [ref, task] of this.#db.list('task')) {
      if (!PENDING.includes(task.status)) {
        if (nowMs - (epochMsOf(task.finished) ?? 0) > COMPLETED_KEPT_MS) this.#remove(ref)
      } else if (nowMs - (epochMsOf(task.created) ?? 0) > PENDING_KEPT_MS) {
        const before = this.#onProbation.get(ref)
        if (before === undefined || task.progress > before) this.#onProbation.set(ref, task.progress)
        else this.#remove(ref)
      }
    }
  }

  #add(kind: 'made' | 'call', names: Partial<TaskRecord>, owner: TaskOwner): string {
    this.#budget.assertRoom(kind, owner)
    const ref = this.#db.create(
      'task',
      newTask({
        uuid: randomUUID(),
        ...names,
        created: xapiDateTime(this.#clock.now()),
        resident_on: this.#db.list('pool')[0]?.[1].master ?? NULL_REF,
      }),
    )
    this.#budget.add(ref, kind, owner)
    return ref
  }

  #end(ref: string, end: Partial<TaskRecord>): void {
    this.#running.delete(ref)
    this.#db.update('task', ref, { ...end, progress: 1, finished: xapiDateTime(this.#clock.now()) })
    this.#noteStatus(ref)
  }

  #noteStatus(ref: string): void {
    const task = this.#db.get('task', ref)
    if (task === undefined || PENDING.includes(task.status)) return
    if (isToBeDestroyed(task)) this.#remove(ref)
    else for (const old of this.#budget.complete(ref)) this.#remove(old)
  }

  #isPending(ref: string): boolean {
    const task = this.#db.get('task', ref)
    return task !== undefined && PENDING.includes(task.status)
  }

  #remove(ref: string): void {
    this.#budget.remove(ref)
    this.#onProbation.delete(ref)
    this.#running.delete(ref)
    this.#db.delete('task', ref)
  }
}

function isToBeDestroyed(task: TaskRecord): boolean {
  return Object.values(task.current_operations).includes('destroy')
}
