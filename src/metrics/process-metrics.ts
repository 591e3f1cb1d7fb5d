import { Counter, Gauge, Registry } from 'prom-client'
import type { Exposition } from './exposition.ts'

/**
 * What the process costs, under the names that every Prometheus client uses. prom-client's own set comes with a timer, an
 * observer of the garbage collector and several files of /proc for each scrape.
 */
export class ProcessMetrics implements Exposition {
  readonly #registry = new Registry()
  readonly #cpu: Counter
  readonly #memory: Gauge
  #countedMicros = 0

  constructor({ version }: { readonly version: string }) {
    const registers = [this.#registry]
    this.#cpu = new Counter({
      name: 'process_cpu_seconds_total',
      help: 'Total user and system CPU time spent in seconds.',
      registers,
    })
    this.#memory = new Gauge({
      name: 'process_resident_memory_bytes',
      help: 'Resident memory size in bytes.',
      registers,
    })
    new Gauge({
      name: 'process_start_time_seconds',
      help: 'Start time of the process since unix epoch in seconds.',
      registers,
    }).set(performance.timeOrigin / 1000)
    new Gauge({
      name: 'resync_monitor_build_info',
      help: '1, labelled with the version of this program and of Node.',
      labelNames: ['version', 'node'],
      registers,
    }).set({ version, node: process.versions.node }, 1)
  }

  render(): Promise<string> {
    const { user, system } = process.cpuUsage()
    const micros = user + system
    this.#cpu.inc((micros - this.#countedMicros) / 1e6)
    this.#countedMicros = micros
    this.#memory.set(process.memoryUsage.rss())
    return this.#registry.metrics()
  }
}
