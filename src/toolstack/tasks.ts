import { randomUUID } from 'node:crypto'
import type { XapiError } from '../allowed-operations/host-operation.ts'
import { ApiFailure } from './api-failure.ts'
import type { CallTable } from './call.ts'
import type { Database } from './database.ts'
import { newTask } from './new-record.ts'
import { NULL_REF, type TaskRecord, type TaskStatus } from './records.ts'
import { xapiDateTime } from './xapi-datetime.ts'

/** Completed tasks are kept this long after their end (xapi_globs.ml:734). */
const COMPLETED_KEPT_MS = 65 * 60_000
/** Beyond this the oldest completed task makes room; stock's is 200 (db_gc.ml), of completed ones only as well. */
const MAX_TASKS = 1_000

const STATUSES = ['pending', 'success', 'failure', 'cancelling', 'cancelled'] as const satisfies readonly TaskStatus[]
const PENDING: readonly TaskStatus[] = ['pending', 'cancelling']

/** The life of tasks: asynchronous calls, and what clients make for themselves. */
export class Tasks {
  readonly #db: Database
  readonly #now: () => number
  readonly #finishedAtMs = new Map<string, number>()

  constructor(db: Database, now: () => number) {
    this.#db = db
    this.#now = now
  }

  /** @throws ApiFailure TOO_MANY_PENDING_TASKS */
  create(label: string, description: string): string {
    this.#makeRoom()
    return this.#db.create(
      'task',
      newTask({
        uuid: randomUUID(),
        name_label: label,
        name_description: description,
        created: xapiDateTime(this.#now()),
        resident_on: this.#db.list('pool')[0]?.[1].master ?? NULL_REF,
      }),
    )
  }

  succeed(ref: string, result: string): void {
    this.#finish(ref, { status: 'success', progress: 1, result, finished: xapiDateTime(this.#now()) })
  }

  fail(ref: string, error: XapiError): void {
    this.#finish(ref, { status: 'failure', progress: 1, error_info: [...error], finished: xapiDateTime(this.#now()) })
  }

  setProgress(ref: string, progress: number): void {
    this.#db.update('task', ref, { progress })
  }

  /** A client's own word. As in stock it leaves `finished` as it was. */
  setStatus(ref: string, status: TaskStatus): void {
    if (PENDING.includes(status)) {
      // taken up again, it must not be removed as a completed one while it blocks
      this.#finishedAtMs.delete(ref)
      this.#db.update('task', ref, { status })
    } else this.#finish(ref, { status })
  }

  /**
   * Removes a completed task. A pending one stays until it is completed, as in stock (xapi_task.ml:35-42): destroying it
   * would lift a block that its task stands for while its cause goes on.
   * @param byTask the task of the call that destroys
   */
  destroy(ref: string, byTask: string): void {
    const task = this.#db.get('task', ref)
    if (task === undefined || !PENDING.includes(task.status)) this.#remove(ref)
    else if (!isToBeDestroyed(task)) {
      this.#db.update('task', ref, { current_operations: { ...task.current_operations, [byTask]: 'destroy' } })
    }
  }

  #finish(ref: string, end: Partial<TaskRecord>): void {
    this.#db.update('task', ref, end)
    const task = this.#db.get('task', ref)
    if (task === undefined) return
    this.#finishedAtMs.set(ref, this.#now())
    if (isToBeDestroyed(task)) this.#remove(ref)
  }

  #makeRoom(): void {
    for (const [ref, atMs] of this.#finishedAtMs) {
      if (this.#now() - atMs > COMPLETED_KEPT_MS || this.#db.count('task') >= MAX_TASKS) this.#remove(ref)
    }
    if (this.#db.count('task') >= MAX_TASKS) throw new ApiFailure('TOO_MANY_PENDING_TASKS')
  }

  #remove(ref: string): void {
    this.#finishedAtMs.delete(ref)
    this.#db.delete('task', ref)
  }
}

function isToBeDestroyed(task: TaskRecord): boolean {
  return Object.values(task.current_operations).includes('destroy')
}

/** What clients do with tasks beyond reading them. */
export function taskCalls(tasks: Tasks): CallTable {
  return {
    'task.create': { parameters: 2, run: args => tasks.create(args.string('label'), args.string('description')) },
    'task.set_progress': {
      parameters: 2,
      run: args => tasks.setProgress(args.ref('task'), args.number('progress')),
    },
    'task.set_status': {
      parameters: 2,
      run: args => tasks.setStatus(args.ref('task'), args.word('status', STATUSES)),
    },
    'task.destroy': { parameters: 1, run: (args, { task }) => tasks.destroy(args.ref('task'), task) },
  }
}
