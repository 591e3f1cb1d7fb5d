import { randomUUID } from 'node:crypto'
import type { XapiError } from '../../allowed-operations/pool/host-operation.ts'
import { epochMsOf } from '../../allowed-operations/pool/xapi-moments.ts'
import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'
import type { Caller } from '../calls/call.ts'
import type { Database } from '../database/database.ts'
import { newTask } from '../database/new-record.ts'
import { NULL_REF, type TaskRecord, type TaskStatus } from '../database/records.ts'
import { xapiDateTime } from '../database/xapi-datetime.ts'
import { TaskBudget } from './task-budget.ts'

/** Completed tasks are kept this long after their `finished` (xapi_globs.ml:734). */
const COMPLETED_KEPT_MS = 65 * 60_000
/** Pending tasks are kept this long after their `created` (xapi_globs.ml:732), and longer while their progress grows. */
const PENDING_KEPT_MS = 24 * 3_600_000

type TaskOwner = Pick<Caller, 'user' | 'role'>

const PENDING: readonly TaskStatus[] = ['pending', 'cancelling']

/** Creates, ends and deletes tasks: those of asynchronous calls, and those that clients create for their own work. */
export class Tasks {
  readonly #db: Database
  readonly #clock: Clock
  readonly #keepsUntilCollected: boolean
  readonly #budget = new TaskBudget()
  /** The progress of tasks that are pending for too long, at the last collection. */
  readonly #onProbation = new Map<string, number>()
  /** Cancels the asynchronous calls of this process. */
  readonly #running = new Map<string, AbortController>()

  /**
   * @param keepsUntilCollected as in stock xapi, a pending task that is to be destroyed stays after its completion until the next
   *   collection
   */
  constructor(db: Database, clock: Clock, { keepsUntilCollected = false } = {}) {
    this.#db = db
    this.#clock = clock
    this.#keepsUntilCollected = keepsUntilCollected
  }

  /** Creates a task of a client for its own work. @throws ApiFailure TOO_MANY_PENDING_TASKS */
  create(label: string, description: string, owner: TaskOwner): string {
    return this.#add('client', { name_label: label, name_description: description }, owner)
  }

  isOwner(ref: string, user: string): boolean {
    return this.#budget.isOwner(ref, user)
  }

  /**
   * Creates a task for an asynchronous call.
   * @returns its ref, and a signal that aborts when the task is cancelled; @throws ApiFailure TOO_MANY_PENDING_TASKS
   */
  begin(label: string, owner: TaskOwner): { readonly ref: string; readonly cancelled: AbortSignal } {
    const ref = this.#add('call', { name_label: label }, owner)
    const canceller = new AbortController()
    this.#running.set(ref, canceller)
    return { ref, cancelled: canceller.signal }
  }

  /** Removes the task of a synchronous call at its end. */
  discard(ref: string): void {
    this.#remove(ref)
  }

  succeed(ref: string, result: string): void {
    this.#end(ref, { status: 'success', result })
  }

  fail(ref: string, error: XapiError): void {
    const status = error[0] === 'TASK_CANCELLED' ? 'cancelled' : 'failure'
    this.#end(ref, { status, error_info: [...error] })
  }

  /**
   * Requests that a task ends. The running call decides whether and when it does (xapi_task.ml cancel). A client that created the task
   * sees the request in current_operations.
   */
  cancel(ref: string, byTask: string): void {
    const task = this.#db.get('task', ref)
    if (task === undefined || !this.#isPending(ref)) return
    // written once, so that repeated requests do not make the record grow
    if (!Object.values(task.current_operations).includes('cancel')) {
      this.#db.update('task', ref, { current_operations: { ...task.current_operations, [byTask]: 'cancel' } })
    }
    this.#running.get(ref)?.abort(new ApiFailure('TASK_CANCELLED', ref))
  }

  /** Sets the status of a task by request of a client. As in stock xapi `finished` stays, so the next collection deletes the task. */
  setStatus(ref: string, status: TaskStatus): void {
    if (PENDING.includes(status)) this.#budget.pend(ref)
    this.#db.update('task', ref, { status })
    this.#noteStatus(ref)
  }

  /**
   * Deletes a completed task. As in stock xapi a pending task stays until it is completed (xapi_task.ml:35-42): otherwise the block
   * that the task represents would end while its cause continues.
   * @param byTask the task of the destroying call
   */
  destroy(ref: string, byTask: string): void {
    const task = this.#db.get('task', ref)
    if (task === undefined || !this.#isPending(ref)) this.#remove(ref)
    else if (!isToBeDestroyed(task)) {
      this.#db.update('task', ref, { current_operations: { ...task.current_operations, [byTask]: 'destroy' } })
    }
  }

  /** One pass of the collection of stock xapi (db_gc_util.ml timeout_tasks, probation_pending_tasks), which it runs every 30 s. */
  collect(): void {
    const nowMs = this.#clock.now()
    for (const [ref, task] of this.#db.list('task')) {
      if (!PENDING.includes(task.status)) {
        const isOld = nowMs - (epochMsOf(task.finished) ?? 0) > COMPLETED_KEPT_MS
        if (isOld || isToBeDestroyed(task)) this.#remove(ref)
      } else if (nowMs - (epochMsOf(task.created) ?? 0) > PENDING_KEPT_MS) {
        const before = this.#onProbation.get(ref)
        if (before === undefined || task.progress > before) this.#onProbation.set(ref, task.progress)
        else this.#remove(ref)
      }
    }
  }

  #add(kind: 'client' | 'call', names: Partial<TaskRecord>, owner: TaskOwner): string {
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
    if (isToBeDestroyed(task) && !this.#keepsUntilCollected) this.#remove(ref)
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
