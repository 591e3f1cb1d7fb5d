import { Gauge, type Registry } from 'prom-client'
import { countCodes } from '../platform/count-codes.ts'
import { isBlocking, REASONS, type ReasonCode } from '../sync-query/reason/reason.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import { SYNC_STATES } from '../sync-query/state.ts'
import { labelValue, setOrRemove } from './series-value.ts'

/**
 * The state and figures of each SR.
 *
 * Invariant: the series of states and mirrors exist for every watched SR, and a series of a reason stays once it exists. An alert on a
 * series that disappears would be resolved.
 */
export class SrSeries {
  /** The codes of the reasons that each SR has ever had. */
  readonly #codes = new Map<string, Set<ReasonCode>>()
  readonly #state: Gauge<'sr' | 'state'>
  readonly #mirrors: Gauge<'sr' | 'state'>
  readonly #reasons: Gauge<'sr' | 'code'>
  readonly #since: Gauge<'sr'>
  readonly #outOfSync: Gauge<'sr'>
  readonly #progress: Gauge<'sr'>
  readonly #eta: Gauge<'sr'>
  readonly #stalled: Gauge<'sr'>
  readonly #ioStopped: Gauge<'sr'>
  readonly #needsOperator: Gauge<'sr'>

  constructor(registry: Registry) {
    const registers = [registry]
    const ofSr = (name: string, help: string) =>
      new Gauge({ name: `resync_monitor_sr_${name}`, help, labelNames: ['sr'], registers })
    this.#state = new Gauge({
      name: 'resync_monitor_sr_state',
      help: '1 for the state of the SR as this host sees it, 0 for the others.',
      labelNames: ['sr', 'state'],
      registers,
    })
    this.#since = ofSr('state_entered_timestamp_seconds', 'When the SR entered this state.')
    this.#mirrors = new Gauge({
      name: 'resync_monitor_sr_mirrors',
      help: 'Mirrors of the SR by state. All are unknown while their source is silent.',
      labelNames: ['sr', 'state'],
      registers,
    })
    this.#reasons = new Gauge({
      name: 'resync_monitor_sr_reasons',
      help: 'Reasons of the SR by code, including warnings. A series exists from the first time that the SR has the reason.',
      labelNames: ['sr', 'code'],
      registers,
    })
    this.#outOfSync = ofSr(
      'out_of_sync_bytes',
      'Bytes that differ in the mirrors that are not in sync. Absent unless the amount of each of them is known.',
    )
    this.#progress = ofSr('resync_progress_ratio', 'Progress of the running resyncs, 0 to 1. Absent while none runs.')
    this.#eta = ofSr(
      'resync_eta_seconds',
      'Estimated seconds until the last of the running resyncs ends. Absent while not known.',
    )
    this.#stalled = ofSr('stalled_mirrors', 'Mirrors whose resync makes no progress.')
    this.#ioStopped = ofSr('io_suspended_mirrors', 'Mirrors whose I/O DRBD suspends or answers with errors.')
    this.#needsOperator = ofSr('needs_operator', '1 while the SR has a blocking reason that an operator must clear.')
  }

  set(sr: string, status: SrStatus): void {
    const label = { sr: labelValue(sr) }
    const isKnown = status.state !== 'unknown'
    for (const state of SYNC_STATES) {
      this.#state.set({ ...label, state }, Number(state === status.state))
      this.#mirrors.set({ ...label, state }, status.mirrors[state])
    }
    setOrRemove(this.#since, label, status.since / 1000)
    // A sum over incomplete data is unknown: before the first complete reading it would be 0.
    setOrRemove(this.#outOfSync, label, isKnown ? status.outOfSyncBytes : null)
    setOrRemove(this.#progress, label, isKnown ? status.progress : null)
    setOrRemove(this.#eta, label, isKnown ? status.etaSeconds : null)
    this.#setReasons(sr, status)
  }

  forget(sr: string): void {
    const label = { sr: labelValue(sr) }
    for (const state of SYNC_STATES) {
      this.#state.remove({ ...label, state })
      this.#mirrors.remove({ ...label, state })
    }
    for (const code of this.#codes.get(sr) ?? []) this.#reasons.remove({ ...label, code })
    this.#codes.delete(sr)
    const single = [
      this.#since,
      this.#outOfSync,
      this.#progress,
      this.#eta,
      this.#stalled,
      this.#ioStopped,
      this.#needsOperator,
    ]
    for (const gauge of single) gauge.remove(label)
  }

  #setReasons(sr: string, { reasons }: SrStatus): void {
    const label = { sr: labelValue(sr) }
    const counts = countCodes(reasons)
    const stalled = new Set<string>()
    const ioStopped = new Set<string>()
    let needsOperator = false
    for (const { code, clearedBy, mirror } of reasons) {
      const { gauge } = REASONS[code]
      if (gauge === 'stalled') stalled.add(mirror)
      if (gauge === 'io-stopped') ioStopped.add(mirror)
      needsOperator ||= clearedBy === 'operator' && isBlocking(code)
    }
    const codes = this.#codes.get(sr) ?? new Set()
    this.#codes.set(sr, codes)
    for (const code of counts.keys()) codes.add(code)
    for (const code of codes) this.#reasons.set({ ...label, code }, counts.get(code) ?? 0)
    this.#stalled.set(label, stalled.size)
    this.#ioStopped.set(label, ioStopped.size)
    this.#needsOperator.set(label, Number(needsOperator))
  }
}
