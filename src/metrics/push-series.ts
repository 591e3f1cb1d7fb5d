import { Counter, Gauge, type Registry } from 'prom-client'
import { labelValue } from './series-value.ts'

/** Pushes of reports to the pool. */
export class PushSeries {
  readonly #pushes: Counter<'sr' | 'outcome'>
  readonly #lastPushed: Gauge<'sr'>

  constructor(registry: Registry) {
    const registers = [registry]
    this.#pushes = new Counter({
      name: 'resync_monitor_report_pushes_total',
      help: 'Reports of the SR that were pushed to the pool, by outcome.',
      labelNames: ['sr', 'outcome'],
      registers,
    })
    this.#lastPushed = new Gauge({
      name: 'resync_monitor_report_last_pushed_timestamp_seconds',
      help: 'When a report of the SR last arrived in the pool. Absent before the first.',
      labelNames: ['sr'],
      registers,
    })
  }

  begin(sr: string): void {
    for (const outcome of ['arrived', 'failed']) this.#pushes.inc({ sr: labelValue(sr), outcome }, 0)
  }

  arrived(sr: string, at: number): void {
    this.#pushes.inc({ sr: labelValue(sr), outcome: 'arrived' })
    this.#lastPushed.set({ sr: labelValue(sr) }, at / 1000)
  }

  failed(sr: string): void {
    this.#pushes.inc({ sr: labelValue(sr), outcome: 'failed' })
  }

  forget(sr: string): void {
    for (const outcome of ['arrived', 'failed']) this.#pushes.remove({ sr: labelValue(sr), outcome })
    this.#lastPushed.remove({ sr: labelValue(sr) })
  }
}
