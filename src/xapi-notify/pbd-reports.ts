import { REPORT_KEY } from '../sync-query/report/report.ts'
import type { XenApiClient } from '../xenapi-client/client.ts'
import { XenApiUnreachable } from '../xenapi-client/errors.ts'
import { setOtherConfig } from '../xenapi-client/other-config.ts'

/**
 * Writes reports into the pool's database: `PBD.other_config["resync-monitor"]`.
 *
 * While a report is replaced readers find no report, which blocks: this is safe (other-config.ts). Writing the same text again confirms
 * the report.
 *
 * Invariant: one write per PBD at a time, and the newest text is written last. A text that is replaced while it waits is never written:
 * a report is a level, and only the last one counts.
 */
export class PbdReports {
  readonly #client: XenApiClient
  readonly #newest = new Map<string, string>()
  readonly #writing = new Map<string, Promise<void>>()

  constructor(client: XenApiClient) {
    this.#client = client
  }

  /**
   * Resolves when this text, or a newer one, is in the database.
   * @throws XenApiError, XenApiUnreachable: the text may or may not be in the database; push the newest one again
   */
  pushReport(pbdRef: string, text: string): Promise<void> {
    this.#newest.set(pbdRef, text)
    const underWay = this.#writing.get(pbdRef)
    if (underWay !== undefined) return underWay
    const writing = this.#writeNewest(pbdRef)
    this.#writing.set(pbdRef, writing)
    return writing
  }

  /**
   * Returns the ref of the PBD that connects a host with an SR; `null` if there is none.
   * @throws XenApiError (UUID_INVALID: the toolstack has no such host or SR), XenApiUnreachable
   */
  async findPbd(hostUuid: string, srUuid: string): Promise<string | null> {
    const [host, sr] = await Promise.all([
      this.#client.call('host.get_by_uuid', [hostUuid]),
      this.#client.call('SR.get_by_uuid', [srUuid]),
    ])
    const pbds = await this.#client.call('SR.get_PBDs', [sr])
    if (!Array.isArray(pbds)) throw new XenApiUnreachable('SR.get_PBDs did not answer with a list')
    for (const pbd of pbds) {
      if (typeof pbd === 'string' && (await this.#client.call('PBD.get_host', [pbd])) === host) return pbd
    }
    return null
  }

  async #writeNewest(pbdRef: string): Promise<void> {
    try {
      for (let text = this.#newest.get(pbdRef); text !== undefined; text = this.#newest.get(pbdRef)) {
        this.#newest.delete(pbdRef)
        await setOtherConfig(this.#client, 'PBD', pbdRef, REPORT_KEY, text)
      }
    } finally {
      // In the same step as the last check for a newer text, so that none can be added and forgotten in between.
      this.#newest.delete(pbdRef)
      this.#writing.delete(pbdRef)
    }
  }
}
