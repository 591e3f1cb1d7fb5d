import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'
import type { Database } from '../database/database.ts'
import type { StringMap } from '../database/records.ts'
import { xapiDateTime } from '../database/xapi-datetime.ts'

/** For one boot of one host: by UUID of the SR, the lowest `seq` of a report that describes the present state. */
export interface ChangedSeqsOfHost {
  readonly bootId: string
  readonly bySr: ReadonlyMap<string, number>
}

const MAX_SRS = 1024
const ENTRY = /^([0-9a-f-]{36})=(\d{1,16})$/

/**
 * Keeps the `sr_seq` of heartbeats (`UUID=SEQ,…`): a report of that boot with a lower `seq` describes a state that is over. A push of
 * a report may be delayed or fail while heartbeats arrive. Kept in memory only, because each heartbeat repeats it.
 */
export class ChangedSeqs {
  readonly #db: Database
  readonly #clock: Clock
  readonly #ofHosts = new Map<string, ChangedSeqsOfHost & { readonly text: string }>()

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
    db.subscribe(({ cls, ref, operation }) => {
      if (cls === 'host' && operation === 'del') this.#ofHosts.delete(ref)
    })
  }

  /** @throws ApiFailure VALUE_NOT_SUPPORTED: an invalid value is not an absent one */
  take(hostRef: string, { boot_id: bootId, sr_seq: text }: StringMap): void {
    if (text === undefined || bootId === undefined) return
    const known = this.#ofHosts.get(hostRef)
    if (known?.text === text && known.bootId === bootId) return
    this.#ofHosts.set(hostRef, { bootId, text, bySr: read(text) })
    // Subscribers must recompute: a report may no longer count.
    const metrics = this.#db.get('host', hostRef)?.metrics ?? ''
    this.#db.update('host_metrics', metrics, { last_updated: xapiDateTime(this.#clock.now()) })
  }

  get(hostRef: string): ChangedSeqsOfHost | undefined {
    return this.#ofHosts.get(hostRef)
  }
}

function read(text: string): ReadonlyMap<string, number> {
  const entries = text === '' ? [] : text.split(',', MAX_SRS + 1)
  const bySr = new Map<string, number>()
  for (const entry of entries) {
    const [, sr, seq] = ENTRY.exec(entry) ?? []
    if (sr === undefined || bySr.size >= MAX_SRS || !Number.isSafeInteger(Number(seq))) {
      throw new ApiFailure('VALUE_NOT_SUPPORTED', 'sr_seq', entry.slice(0, 64), 'not UUID=SEQ,…')
    }
    bySr.set(sr, Number(seq))
  }
  return bySr
}
