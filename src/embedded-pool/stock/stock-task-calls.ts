import type { CallTable } from '../calls/call.ts'
import { assertMayChangeTask } from '../calls/task-calls.ts'
import type { Database } from '../database/database.ts'
import type { Tasks } from '../tasks/tasks.ts'

/** The methods of class task that differ from those of the project. */
export function stockTaskCalls(db: Database, tasks: Tasks): CallTable {
  return {
    // every number is taken, also 1.5 and -1
    'task.set_progress': {
      parameters: 2,
      role: 'read-only',
      isChange: true,
      run: (args, context) => {
        const ref = args.ref('task')
        assertMayChangeTask(tasks, ref, context)
        db.update('task', ref, { progress: args.number('progress') })
      },
    },
  }
}
