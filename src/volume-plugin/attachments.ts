import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '../platform/errors.ts'
import { parseSrConfiguration, type SrWatch } from './sr-configuration.ts'
import type { SrStore, StoredSr } from './sr-store.ts'

interface Attachment {
  readonly record: StoredSr
  readonly watch: SrWatch
}

/**
 * An SR that is detached while it is not in sync stays watched until it is, for at most this long: a host that plugs it again continues
 * the same resync, so the pool gets no second message and no second task.
 */
const WATCHED_AFTER_DETACH_MS = 3_600_000

/** The SRs that are attached on this host, which the agent watches, and those that it still watches. Every writer of the store updates it. */
export class Attachments {
  readonly #byUuid = new Map<string, Attachment>()
  readonly #watch: (srs: readonly SrWatch[]) => void

  /** @param watch receives all watched SRs whenever the list changes */
  constructor(watch: (srs: readonly SrWatch[]) => void) {
    this.#watch = watch
  }

  /** Restores what was attached before a restart. @param onProblem receives a sentence for each SR that cannot be restored */
  async restore(store: SrStore, now: number, onProblem: (text: string) => void): Promise<void> {
    const report = (error: unknown) => onProblem(messageOf(error))
    const uuids = await store.uuids().catch((error: unknown) => {
      report(error)
      return []
    })
    for (const uuid of uuids) {
      try {
        const record = await store.read(uuid)
        if (record !== null && (record.attached || !isOver(record, now))) this.#byUuid.set(uuid, attachmentOf(record))
      } catch (error) {
        report(error)
      }
    }
    this.#publish()
  }

  /** Adds an SR that is attached, or that is detached and still watched; or replaces its record. */
  keep(record: StoredSr): void {
    const known = this.#byUuid.get(record.uuid)
    const next = attachmentOf(record)
    this.#byUuid.set(record.uuid, next)
    if (!isDeepStrictEqual(known?.watch, next.watch)) this.#publish()
  }

  remove(uuid: string): void {
    if (this.#byUuid.delete(uuid)) this.#publish()
  }

  /** Removes detached SRs that are in sync, or have been detached for too long. */
  expire(isSynced: (uuid: string) => boolean, now: number): void {
    for (const [uuid, { record }] of this.#byUuid)
      if (!record.attached && (isSynced(uuid) || isOver(record, now))) this.remove(uuid)
  }

  /** The last known record of an attached SR; `null`: it is not attached. */
  attached(uuid: string): StoredSr | null {
    const record = this.#byUuid.get(uuid)?.record
    return record?.attached ? record : null
  }

  /** UUIDs of the attached SRs. */
  uuids(): readonly string[] {
    return Array.from(this.#byUuid.values()).flatMap(({ record }) => (record.attached ? [record.uuid] : []))
  }

  #publish(): void {
    this.#watch(Array.from(this.#byUuid.values(), ({ watch }) => watch))
  }
}

function attachmentOf(record: StoredSr): Attachment {
  return { record, watch: parseSrConfiguration(record.uuid, record.configuration) }
}

/** If the clock was set back, the time is over. */
function isOver({ detachedAt = 0 }: StoredSr, now: number): boolean {
  return now < detachedAt || now - detachedAt >= WATCHED_AFTER_DETACH_MS
}
