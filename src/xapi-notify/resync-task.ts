import { firstName } from '../allowed-operations/pool/find-by-name.ts'
import type { Clock } from '../platform/time/clock.ts'
import type { XenApiClient } from '../xenapi-client/client.ts'
import type { CallOptions } from '../xenapi-client/connection.ts'
import { XenApiError, XenApiUnreachable } from '../xenapi-client/errors.ts'
import { createTask, listTasks, setTaskProgress, setTaskStatus, type TaskSummary } from '../xenapi-client/task-calls.ts'
import { type NotifyingHost, printableName } from './resync-message.ts'

/** The key of `task.other_config` with the episode of a task. */
const EPISODE_KEY = 'resync-monitor:episode'

export interface ResyncTaskOptions {
  readonly client: XenApiClient
  readonly clock: Clock
  readonly host: NotifyingHost
}

/**
 * The XenAPI task that shows the progress of one episode.
 *
 * It is identified by its description, which is written in the same call that creates it. A key of other_config is added later, and a crash
 * in between would leave a task that cannot be found again. A restart of the coordinator drops tasks (datamodel.ml: Task is
 * PersistNothing), and pending tasks are destroyed after 24 h without progress (db_gc_util.ml), so a task that is gone is created again.
 *
 * Its label must never be `SR Recovering`: a task with that label blocks every reboot of a stock pool (xapi_host_helpers.ml).
 */
export class ResyncTask {
  readonly episode: string
  readonly #client: XenApiClient
  readonly #clock: Clock
  readonly #host: NotifyingHost
  readonly #srUuid: string
  #ref: string | null = null
  /** The greatest progress that the task has shown. */
  #shown = 0
  #shownAtMs = Number.NEGATIVE_INFINITY

  constructor({ client, clock, host }: ResyncTaskOptions, srUuid: string, episode: string) {
    this.episode = episode
    this.#client = client
    this.#clock = clock
    this.#host = host
    this.#srUuid = srUuid
  }

  /** When the progress was last written, by the steady clock. */
  get shownAtMs(): number {
    return this.#shownAtMs
  }

  get shown(): number {
    return this.#shown
  }

  /** Call this after the toolstack did not answer: the task may be gone, so the next `show` looks for it. */
  forgetRef(): void {
    this.#ref = null
    this.#shownAtMs = Number.NEGATIVE_INFINITY
  }

  /**
   * Makes sure that there is one task with this progress. The progress never falls, not even over restarts.
   * @throws XenApiError, XenApiUnreachable
   */
  async show(progress: number, options: CallOptions): Promise<void> {
    if (this.#ref === null) {
      const [found] = await this.#find(options)
      this.#ref = found?.ref ?? (await this.#create(options))
      this.#shown = Math.max(this.#shown, found?.progress ?? 0)
    }
    const shown = Math.max(this.#shown, progress)
    try {
      await setTaskProgress(this.#client, this.#ref, shown, options)
    } catch (error) {
      if (!isGone(error)) throw error
      this.#ref = await this.#create(options)
      await setTaskProgress(this.#client, this.#ref, shown, options)
    }
    this.#shown = shown
    this.#shownAtMs = this.#clock.steadyNow()
  }

  /** Completes the task, if there is one. It can be repeated. @throws XenApiError, XenApiUnreachable */
  async end(status: 'success' | 'cancelled', options: CallOptions): Promise<void> {
    for (const { ref } of await this.#find(options)) {
      try {
        if (status === 'success') await setTaskProgress(this.#client, ref, 1, options)
        await setTaskStatus(this.#client, ref, status, options)
      } catch (error) {
        if (!isGone(error)) throw error
      }
    }
  }

  async #find(options: CallOptions): Promise<readonly TaskSummary[]> {
    const description = this.#description()
    const tasks = await listTasks(this.#client, options)
    return tasks.filter(task => !task.completed && task.description === description)
  }

  async #create(options: CallOptions): Promise<string> {
    const sr = await this.#client.call('SR.get_by_uuid', [this.#srUuid], options)
    const name = await this.#client.call('SR.get_name_label', [sr], options)
    if (typeof name !== 'string') throw new XenApiUnreachable('SR.get_name_label did not answer with a name')
    const host = printableName(firstName(this.#host.name, this.#host.uuid))
    const label = `Storage resync of SR ${printableName(firstName(name, this.#srUuid))} on ${host}`
    const ref = await createTask(this.#client, label, this.#description(), options)
    // For clients that look for it. The task works without it too.
    await this.#client.call('task.add_to_other_config', [ref, EPISODE_KEY, this.episode], options)
    return ref
  }

  #description(): string {
    return `Host ${this.#host.uuid} resynchronises SR ${this.#srUuid}; episode ${this.episode}`
  }
}

function isGone(error: unknown): boolean {
  return error instanceof XenApiError && error.code === 'HANDLE_INVALID'
}
