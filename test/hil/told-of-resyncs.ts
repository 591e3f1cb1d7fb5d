import { uuidOf } from './host-files.ts'
import type { Lab } from './lab.ts'
import type { TaskRecord } from './pool-client.ts'

interface MessageRecord {
  readonly name: string
  readonly obj_uuid: string
  readonly body: string
}

/** Begins the line of a message's body that is for programs. */
const MARK = 'resync-monitor: '

/** What the pool was told of the resyncs of an SR since a scenario began: messages and tasks. */
export class ToldOfResyncs {
  readonly #lab: Lab
  readonly #sr: string
  /** Refs of messages and tasks that were there before. */
  readonly #before: ReadonlySet<string>

  static async since(lab: Lab, sr: string): Promise<ToldOfResyncs> {
    return new ToldOfResyncs(
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

  /** The names of the messages by the host that they are about, the oldest first by the clock of that host. */
  async messages(): Promise<Readonly<Record<string, readonly string[]>>> {
    const all = (await records<MessageRecord>(this.#lab, 'message'))
      .filter(([ref, { obj_uuid }]) => obj_uuid === this.#sr && !this.#before.has(ref))
      .map(([, { name, body }]) => ({ name, ...factsIn(body) }))
      .toSorted((a, b) => a.at.localeCompare(b.at))
    const { topology } = this.#lab
    const of = (host: string) => all.filter(each => each.host === uuidOf(topology, host)).map(({ name }) => name)
    return Object.fromEntries(topology.hosts.map(host => [host, of(host)]))
  }

  /** The tasks that show a resync. */
  async tasks(): Promise<readonly TaskRecord[]> {
    return (await records<TaskRecord>(this.#lab, 'task'))
      .filter(([ref, { name_label }]) => !this.#before.has(ref) && name_label.includes('resync'))
      .map(([, task]) => task)
  }

  /** Waits until each of these hosts has told of one resync, its beginning and its end, and nothing else. @throws NotInTime */
  async untilOnceBy(...hosts: readonly string[]): Promise<void> {
    const once = JSON.stringify(hosts.map(host => [host, ['RESYNC_STARTED', 'RESYNC_FINISHED']]))
    await this.#lab.until(`one resync was told by ${hosts.join(' and ')}`, async () => {
      const told = await this.messages()
      const said = JSON.stringify(Object.entries(told).filter(([, names]) => names.length > 0))
      return said === once || Promise.reject(new Error(`told was ${said}`))
    })
    // The pool takes completed tasks away within half a minute, as stock does (db_gc_util.ml, every 30 s).
    await this.#lab.until('its tasks are over, one for each', async () => {
      const tasks = await this.tasks()
      const said = tasks.map(({ name_label, status }) => `${name_label}: ${status}`).join(', ')
      return (
        (tasks.length <= hosts.length && tasks.every(({ status }) => status === 'success')) ||
        Promise.reject(new Error(said))
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
