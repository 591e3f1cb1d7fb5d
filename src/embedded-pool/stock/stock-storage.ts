import { randomUUID } from 'node:crypto'
import { sleep } from '../../platform/time/clock.ts'
import type { Database } from '../database/database.ts'
import { newMessage } from '../database/new-record.ts'
import { xapiDateTime } from '../database/xapi-datetime.ts'
import { SrHealthCheck, type SrHealthCheckOptions } from './sr-health-check.ts'
import { askDriver, StockFailure } from './stock-failure.ts'

/** From the first attempt to plug the PBDs of a host that starts to the second one, which is the last. */
const SECOND_PLUG_AFTER_MS = 500

/** PBD.plug and PBD.unplug (xapi_pbd.ml:181-277), SR.scan and SR.update of a stock xapi. The drivers are callbacks. */
export class StockStorage {
  readonly #db: Database
  readonly #options: SrHealthCheckOptions
  readonly health: SrHealthCheck

  constructor(db: Database, options: SrHealthCheckOptions) {
    this.#db = db
    this.#options = options
    this.health = new SrHealthCheck(db, options)
  }

  /** PBD.plug, executed on the host of the PBD. Of a plugged PBD it does nothing: there is no health check. */
  async plug(pbdRef: string): Promise<void> {
    const pbd = this.#db.get('PBD', pbdRef)
    if (pbd === undefined || pbd.currently_attached) return
    const { srAttach } = this.#options.drivers
    if (srAttach !== undefined) await askDriver(() => srAttach(pbdRef))
    this.#db.update('PBD', pbdRef, { currently_attached: true })
    await this.health.check(pbd.SR, pbd.host)
    // the coordinator updates the SR after its own plug only: the field was computed before (message_forwarding.ml:6117-6137)
    if (this.health.isMasterOf(pbd.SR, pbd.host)) this.update(pbd.SR)
  }

  /** PBD.unplug. If the driver fails, the PBD stays attached. */
  async unplug(pbdRef: string): Promise<void> {
    const pbd = this.#db.get('PBD', pbdRef)
    if (pbd === undefined || !pbd.currently_attached) return
    const { srDetach } = this.#options.drivers
    if (srDetach !== undefined) await askDriver(() => srDetach(pbdRef))
    this.#db.update('PBD', pbdRef, { currently_attached: false })
    this.health.stop(pbd.SR, pbd.host)
  }

  /** A host shuts down: each of its PBDs is unplugged if its driver can. */
  async unplugAll(hostRef: string): Promise<void> {
    for (const pbd of this.#pbdsOf(hostRef, true)) await this.unplug(pbd).catch(ignoreStockFailure)
  }

  /** A host starts: its PBDs are plugged one after another; those that fail are tried once more, and then never again. */
  async plugAll(hostRef: string): Promise<void> {
    for (const pbd of this.#pbdsOf(hostRef, false)) await this.plug(pbd).catch(ignoreStockFailure)
    if (this.#pbdsOf(hostRef, false).length === 0) return
    await sleep(this.#options.clock, SECOND_PLUG_AFTER_MS)
    for (const pbd of this.#pbdsOf(hostRef, false)) await this.plug(pbd).catch(ignoreStockFailure)
    if (this.#pbdsOf(hostRef, false).length > 0) this.#reportUnplugged(hostRef)
  }

  /** SR.update: only this and SR.scan write `clustered`. */
  update(srRef: string): void {
    if (this.health.isClustered(srRef)) this.#db.update('SR', srRef, { clustered: true })
  }

  /** SR.scan fails unless the SR is healthy (storage_utils.ml:156-172). */
  async scan(srRef: string): Promise<void> {
    const health = await this.health.stat(srRef)
    switch (health) {
      case 'Healthy':
        return this.update(srRef)
      case 'Recovering':
        throw new StockFailure(['SR_UNHEALTHY', srRef, health, ''])
      case 'Unreachable':
        throw new StockFailure(['SR_UNHEALTHY', srRef, health, 'try again later'])
      case 'Unavailable':
        throw new StockFailure(['SR_UNHEALTHY', srRef, health, 'try reboot'])
      default:
        health satisfies never
    }
  }

  #pbdsOf(hostRef: string, isAttached: boolean): readonly string[] {
    const pbds = this.#db.get('host', hostRef)?.PBDs ?? []
    return pbds.filter(pbd => this.#db.get('PBD', pbd)?.currently_attached === isAttached)
  }

  #reportUnplugged(hostRef: string): void {
    const host = this.#db.get('host', hostRef)
    if (host === undefined) return
    const about = { cls: 'Host', obj_uuid: host.uuid, timestamp: xapiDateTime(this.#options.clock.now()) }
    const name = 'PBD_PLUG_FAILED_ON_SERVER_START'
    this.#db.create('message', newMessage({ uuid: randomUUID(), name, priority: 3, ...about }))
  }
}

function ignoreStockFailure(failure: unknown): void {
  if (!(failure instanceof StockFailure)) throw failure
}
