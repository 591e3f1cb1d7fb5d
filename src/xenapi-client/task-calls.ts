import type { XenApiClient } from './client.ts'
import type { CallOptions } from './connection.ts'
import { XenApiUnreachable } from './errors.ts'

/** The fields of a task that this program uses. */
export interface TaskSummary {
  readonly ref: string
  readonly description: string
  /** 0..1 */
  readonly progress: number
  /** The toolstack keeps completed tasks for a while. */
  readonly completed: boolean
}

const UNFINISHED: ReadonlySet<unknown> = new Set(['pending', 'cancelling'])

/** task.create. @returns its ref; @throws XenApiError, XenApiUnreachable */
export async function createTask(
  client: XenApiClient,
  label: string,
  description: string,
  options?: CallOptions,
): Promise<string> {
  const ref = await client.call('task.create', [label, description], options)
  if (typeof ref !== 'string') throw new XenApiUnreachable('task.create did not answer with a ref')
  return ref
}

/** Returns every task of the toolstack. @throws XenApiError, XenApiUnreachable */
export async function listTasks(client: XenApiClient, options?: CallOptions): Promise<readonly TaskSummary[]> {
  const records = await client.call('task.get_all_records', [], options)
  if (typeof records !== 'object' || records === null) {
    throw new XenApiUnreachable('task.get_all_records did not answer with records')
  }
  return Object.entries(records).map(([ref, record]) => summaryOf(ref, record))
}

function summaryOf(ref: string, record: unknown): TaskSummary {
  const fields: Readonly<Record<string, unknown>> = typeof record === 'object' ? { ...record } : {}
  return {
    ref,
    description: String(fields.name_description),
    progress: typeof fields.progress === 'number' ? fields.progress : 0,
    completed: !UNFINISHED.has(fields.status),
  }
}

/** Sets the progress (0..1). @throws XenApiError (HANDLE_INVALID: there is no such task), XenApiUnreachable */
export async function setTaskProgress(
  client: XenApiClient,
  ref: string,
  progress: number,
  options?: CallOptions,
): Promise<void> {
  await client.call('task.set_progress', [ref, progress], options)
}

/** Completes a task. @throws XenApiError (HANDLE_INVALID: there is no such task), XenApiUnreachable */
export async function setTaskStatus(
  client: XenApiClient,
  ref: string,
  status: 'success' | 'cancelled',
  options?: CallOptions,
): Promise<void> {
  await client.call('task.set_status', [ref, status], options)
}
