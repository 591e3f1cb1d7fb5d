import { uuidOf } from './host-files.ts'
import type { Lab } from './lab.ts'
import type { TaskRecord } from './pool-client.ts'

interface MessageRecord {
  readonly name: string
  readonly obj_uuid: string
  readonly body: string
}

/** Prefix of the JSON line in a message's body. */
const MARK = 'resync-monitor: '

/** The messages and tasks about resyncs of an SR since a scenario began. */
export class PublishedResyncs {
  readonly #lab: Lab
  readonly #sr: string
  /** Refs of older messages and tasks. */
  readonly #before: ReadonlySet<string>

  static async since(lab: Lab, sr: string): Promise<PublishedResyncs> {
    return new PublishedResyncs(
      lab,
      sr,
      new Set([...(await records(lab, 'message')), ...(await records(lab, 'task'))].map(([ref]) => ref)),
    )
  }

  private constructor(lab: Lab, sr: string, before: ReadonlySet<string>) {
    this.#lab = lab
    this.#sr = sr
    this.#before = before
  }

  /** Names of the messages by host, oldest first by that host's clock. */
  async messages(): Promise<Readonly<Record<string, readonly string[]>>> {
    const all = (await records<MessageRecord>(this.#lab, 'message'))
      .filter(([ref, { obj_uuid }]) => obj_uuid === this.#sr && !this.#before.has(ref))
      .map(([, { name, body }]) => ({ name, ...factsIn(body) }))
      .toSorted((a, b) => a.at.localeCompare(b.at))
    const { topology } = this.#lab
    const of = (host: string) => all.filter(each => each.host === uuidOf(topology, host)).map(({ name }) => name)
    return Object.fromEntries(topology.hosts.map(host => [host, of(host)]))
  }

  /** The tasks of resyncs. */
  async tasks(): Promise<readonly TaskRecord[]> {
    return (await records<TaskRecord>(this.#lab, 'task'))
      .filter(([ref, { name_label }]) => !this.#before.has(ref) && name_label.includes('resync'))
      .map(([, task]) => task)
  }

  /** Waits until each of these hosts has published exactly one start and one end of a resync. @throws NotInTime */
  async untilPublishedOnceBy(...hosts: readonly string[]): Promise<void> {
    const once = JSON.stringify(hosts.map(host => [host, ['RESYNC_STARTED', 'RESYNC_FINISHED']]))
    await this.#lab.until(`${hosts.join(' and ')} published one resync`, async () => {
      const published = await this.messages()
      const found = JSON.stringify(Object.entries(published).filter(([, names]) => names.length > 0))
      return found === once || Promise.reject(new Error(`published: ${found}`))
    })
    // The pool removes completed tasks within half a minute, as stock does (db_gc_util.ml, every 30 s).
    await this.#lab.until('each host has at most one task, and all succeeded', async () => {
      const tasks = await this.tasks()
      const states = tasks.map(({ name_label, status }) => `${name_label}: ${status}`).join(', ')
      return (
        (tasks.length <= hosts.length && tasks.every(({ status }) => status === 'success')) ||
        Promise.reject(new Error(states))
      )
    })
  }
}

function factsIn(body: string): { readonly host: string; readonly at: string } {
  const line = body.split('\n').find(each => each.startsWith(MARK)) ?? ''
  const { host, at } = JSON.parse(line.slice(MARK.length)) as { host: string; at: string }
  return { host, at }
}

async function records<T>(lab: Lab, cls: string): Promise<readonly [string, T][]> {
  return Object.entries((await lab.pool.call(`${cls}.get_all_records`)) as Record<string, T>)
}
