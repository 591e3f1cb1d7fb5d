import { Gauge, type Registry } from 'prom-client'
import { labelValue } from './label-value.ts'
import type { SourceName } from './source-series.ts'

const SOURCE_NAMES = ['drbd', 'md'] as const satisfies readonly SourceName[]
/** So that a host whose SRs match nothing does not make thousands of series. */
const MAX_NAMED = 50

/** What the host has and no SR watches: a mistyped pattern, or storage that is meant to be left alone. */
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
      help: `1 for each DRBD resource and md array that no SR watches, by name; the first ${MAX_NAMED} of each.`,
      labelNames: ['backend', 'name'],
      registers,
    })
  }

  set(unwatched: Readonly<Record<SourceName, readonly string[]>>): void {
    this.#names.reset()
    for (const backend of SOURCE_NAMES) {
      const names = unwatched[backend]
      this.#count.set({ backend }, names.length)
      for (const name of names.slice(0, MAX_NAMED)) this.#names.set({ backend, name: labelValue(name) }, 1)
    }
  }
}
