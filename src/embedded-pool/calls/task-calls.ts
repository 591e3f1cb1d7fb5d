import type { Database } from '../database/database.ts'
import type { TaskStatus } from '../database/records.ts'
import { assertRole } from '../sessions/roles.ts'
import type { Tasks } from '../tasks/tasks.ts'
import { type Arguments, type CallContext, type CallTable, tooLarge } from './call.ts'

const STATUSES = ['pending', 'success', 'failure', 'cancelling', 'cancelled'] as const satisfies readonly TaskStatus[]

/** Longest text of one field of a task, in bytes. Every role may write tasks, and every client that follows tasks receives them. */
const MAX_TEXT_BYTES = 4_096
const MAX_ERROR_ITEMS = 16

/** The methods of class task except field access. A user may change its own tasks, a pool-operator any task. */
export function taskCalls(db: Database, tasks: Tasks): CallTable {
  const change = (method: string, further: number, run: (ref: string, args: Arguments, task: string) => void) => ({
    [`task.${method}`]: {
      parameters: 1 + further,
      role: 'read-only' as const,
      isChange: true as const,
      run: (args: Arguments, context: CallContext) => {
        const ref = args.ref('task')
        assertMayChangeTask(tasks, ref, context)
        run(ref, args, context.task)
      },
    },
  })
  return {
    'task.create': {
      parameters: 2,
      role: 'read-only',
      isChange: true,
      run: (args, caller) => tasks.create(smallText(args, 'label'), smallText(args, 'description'), caller),
    },
    ...change('set_progress', 1, (ref, args) => {
      db.update('task', ref, { progress: Math.min(Math.max(args.number('progress'), 0), 1) })
    }),
    ...change('set_status', 1, (ref, args) => tasks.setStatus(ref, args.enumWord('status', STATUSES))),
    ...change('set_result', 1, (ref, args) => void db.update('task', ref, { result: smallText(args, 'result') })),
    ...change('set_error_info', 1, (ref, args) => {
      const error_info = args.strings('error_info')
      assertSmall('error_info', error_info.join(''))
      if (error_info.length > MAX_ERROR_ITEMS) throw tooLarge('error_info')
      db.update('task', ref, { error_info })
    }),
    ...change('cancel', 0, (ref, _args, task) => tasks.cancel(ref, task)),
    ...change('destroy', 0, (ref, _args, task) => tasks.destroy(ref, task)),
  }
}

/** The rule of stock xapi for every operation on a task (taskHelper.ml assert_op_valid). @throws ApiFailure RBAC_PERMISSION_DENIED */
export function assertMayChangeTask(tasks: Tasks, ref: string, { user, role }: CallContext): void {
  if (!tasks.isOwner(ref, user)) assertRole(role, 'pool-operator', 'task.destroy/any')
}

/** @throws ApiFailure VALUE_NOT_SUPPORTED */
export function assertSmall(name: string, text: string): void {
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) throw tooLarge(name)
}

function smallText(args: Arguments, name: string): string {
  const text = args.string(name)
  assertSmall(name, text)
  return text
}
