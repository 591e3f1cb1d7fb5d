import { firstName } from '../allowed-operations/pool/find-by-name.ts'
import type { Clock } from '../platform/time/clock.ts'
import type { XenApiClient } from '../xenapi-client/client.ts'
import type { CallOptions } from '../xenapi-client/connection.ts'
import { XenApiError, XenApiUnreachable } from '../xenapi-client/errors.ts'
import { createTask, listTasks, setTaskProgress, setTaskStatus, type TaskSummary } from '../xenapi-client/task-calls.ts'
import { type NotifyingHost, printableName } from './resync-message.ts'

/** The key of `task.other_config` that holds the episode which a task stands for. */
const EPISODE_KEY = 'resync-monitor:episode'

export interface ResyncTaskOptions {
  readonly client: XenApiClient
  readonly clock: Clock
  readonly host: NotifyingHost
}

/**
 * The XenAPI task that shows the progress of one episode.
 *
 * It is known by its description, which is written in the same step as the task: a key of other_config is added later, and
 * a crash in between would leave a task that nobody finds again. Tasks are not kept over a restart of the coordinator
 * (datamodel.ml: Task is PersistNothing), and pending ones are destroyed after 24 h without progress (db_gc_util.ml), so
 * one that is gone is made anew.
 *
 * Its label must never be `SR Recovering`: that one blocks every reboot of a stock pool (xapi_host_helpers.ml).
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

  /** Since when the task has shown what it shows, by the steady clock. */
  get shownAtMs(): number {
    return this.#shownAtMs
  }

  get shown(): number {
    return this.#shown
  }

  /** The toolstack was away: whether the task is still there has to be looked up. */
  doubt(): void {
    this.#ref = null
    this.#shownAtMs = Number.NEGATIVE_INFINITY
  }

  /**
   * Sees to it that there is one task, and that it shows the progress. What it shows never falls, over restarts as well.
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

  /** Completes the task, if there is one. May be repeated. @throws XenApiError, XenApiUnreachable */
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
    // for clients that look for it; a task without it does its work as well
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
