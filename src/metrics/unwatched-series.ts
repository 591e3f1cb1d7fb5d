import { Gauge, type Registry } from 'prom-client'
import { BACKEND_NAMES, type BackendName } from '../sync-query/backend-name.ts'
import { labelValue } from './series-value.ts'

/** Limits the number of series of a host whose SRs match nothing. */
const MAX_NAMED = 50

/** DRBD resources and md arrays that no SR watches: the pattern of an SR is wrong, or they are excluded on purpose. */
export class UnwatchedSeries {
  readonly #count: Gauge<'backend'>
  readonly #names: Gauge<'backend' | 'name'>

  constructor(registry: Registry) {
    const registers = [registry]
    this.#count = new Gauge({
      name: 'resync_monitor_unwatched',
      help: 'DRBD resources and md arrays of this host that no SR watches.',
      labelNames: ['backend'],
      registers,
    })
    this.#names = new Gauge({
      name: 'resync_monitor_unwatched_info',
      help: '1 for each DRBD resource and md array that no SR watches, for the first 50 of each backend.',
      labelNames: ['backend', 'name'],
      registers,
    })
  }

  set(unwatched: Readonly<Record<BackendName, readonly string[]>>): void {
    this.#names.reset()
    for (const backend of BACKEND_NAMES) {
      const names = unwatched[backend]
      this.#count.set({ backend }, names.length)
      for (const name of names.slice(0, MAX_NAMED)) this.#names.set({ backend, name: labelValue(name) }, 1)
    }
  }
}
