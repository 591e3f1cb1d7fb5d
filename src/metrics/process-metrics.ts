import { Counter, Gauge, Registry } from 'prom-client'
import type { Exposition } from './exposition.ts'

/**
 * CPU time and memory of the process, under the names that every Prometheus client uses. prom-client's own set would need a timer, an
 * observer of the garbage collector, and reads of several files of /proc at each scrape.
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
      help: 'User and system CPU time.',
      registers,
    })
    this.#memory = new Gauge({
      name: 'process_resident_memory_bytes',
      help: 'Resident memory.',
      registers,
    })
    new Gauge({
      name: 'process_start_time_seconds',
      help: 'When the process started, in seconds since 1970.',
      registers,
    }).set(performance.timeOrigin / 1000)
    new Gauge({
      name: 'resync_monitor_build_info',
      help: '1, with the versions of this program and of Node.',
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
