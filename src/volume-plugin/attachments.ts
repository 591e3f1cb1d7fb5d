import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '../platform/errors.ts'
import { parseSrConfiguration, type SrWatch } from './sr-configuration.ts'
import type { SrStore, StoredSr } from './sr-store.ts'

/** The SRs that are attached here, which the agent has to watch; kept in step with the store by whoever writes there. */
export class Attachments {
  readonly #watches = new Map<string, SrWatch>()
  readonly #watch: (srs: readonly SrWatch[]) => void

  /** @param watch told of all attached SRs whenever one comes or goes */
  constructor(watch: (srs: readonly SrWatch[]) => void) {
    this.#watch = watch
  }

  /** Takes up what was attached before a restart. @param onProblem told of each SR that cannot be */
  async restore(store: SrStore, onProblem: (text: string) => void): Promise<void> {
    const tell = (error: unknown) => onProblem(messageOf(error))
    const uuids = await store.uuids().catch((error: unknown) => {
      tell(error)
      return []
    })
    for (const uuid of uuids) {
      try {
        const record = await store.read(uuid)
        if (record?.attached) this.#watches.set(uuid, parseSrConfiguration(uuid, record.configuration))
      } catch (error) {
        tell(error)
      }
    }
    this.#tell()
  }

  /** An SR is attached with what its record says: also when that is another configuration than before. */
  keep({ uuid, configuration }: StoredSr): void {
    const watch = parseSrConfiguration(uuid, configuration)
    if (isDeepStrictEqual(this.#watches.get(uuid), watch)) return
    this.#watches.set(uuid, watch)
    this.#tell()
  }

  remove(uuid: string): void {
    if (this.#watches.delete(uuid)) this.#tell()
  }

  uuids(): readonly string[] {
    return [...this.#watches.keys()]
  }

  #tell(): void {
    this.#watch([...this.#watches.values()])
  }
}
