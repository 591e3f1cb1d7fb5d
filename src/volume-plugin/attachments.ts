import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '../platform/errors.ts'
import { parseSrConfiguration, type SrWatch } from './sr-configuration.ts'
import type { SrStore, StoredSr } from './sr-store.ts'

/** The SRs that are attached on this host, which the agent watches. Every writer of the store updates it. */
export class Attachments {
  readonly #watches = new Map<string, SrWatch>()
  readonly #watch: (srs: readonly SrWatch[]) => void

  /** @param watch receives all attached SRs whenever the list changes */
  constructor(watch: (srs: readonly SrWatch[]) => void) {
    this.#watch = watch
  }

  /** Restores what was attached before a restart. @param onProblem receives a sentence for each SR that cannot be restored */
  async restore(store: SrStore, onProblem: (text: string) => void): Promise<void> {
    const report = (error: unknown) => onProblem(messageOf(error))
    const uuids = await store.uuids().catch((error: unknown) => {
      report(error)
      return []
    })
    for (const uuid of uuids) {
      try {
        const record = await store.read(uuid)
        if (record?.attached) this.#watches.set(uuid, parseSrConfiguration(uuid, record.configuration))
      } catch (error) {
        report(error)
      }
    }
    this.#publish()
  }

  /** Adds an attached SR, or replaces its configuration. */
  keep({ uuid, configuration }: StoredSr): void {
    const watch = parseSrConfiguration(uuid, configuration)
    if (isDeepStrictEqual(this.#watches.get(uuid), watch)) return
    this.#watches.set(uuid, watch)
    this.#publish()
  }

  remove(uuid: string): void {
    if (this.#watches.delete(uuid)) this.#publish()
  }

  uuids(): readonly string[] {
    return [...this.#watches.keys()]
  }

  #publish(): void {
    this.#watch([...this.#watches.values()])
  }
}
