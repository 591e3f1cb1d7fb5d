import { type Clock, repeatEvery, sleep } from '../../platform/time/clock.ts'
import type { Events2Line } from '../events2/events2-line.ts'
import type { Events2State } from '../events2/events2-state.ts'
import type { AbandonedProcesses } from './abandoned-processes.ts'
import type { DrbdModule } from './drbd-module.ts'
import type { DrbdsetupCommand } from './drbdsetup-child.ts'
import type { DrbdSourcePace } from './pace.ts'
import type { ProcDrbd } from './proc-drbd.ts'
import { type DumpResult, readDump } from './read-dump.ts'
import { type RereadOutcome, Rereads } from './rereads.ts'
import { stateDifference } from './state-difference.ts'
import { confirmRemovals, copyIo, copyOutOfSync, hasDisconnectedPeer, hasRemovedPeer } from './statistics.ts'

export interface CrossCheckOptions {
  readonly drbdsetup: DrbdsetupCommand
  readonly module: DrbdModule
  /** The state that events reported. Cross-checks copy statistics into it, never state words. */
  readonly state: Events2State
  readonly clock: Clock
  readonly pace: DrbdSourcePace
  readonly abandoned: AbandonedProcesses
  readonly refused: Set<string>
  /** /proc/drbd of 8.4, which has the statistics that its events omit; `null` on 9. */
  readonly procDrbd: ProcDrbd | null
  /** Publishes the changes in `state`, and passes them to `onChanged`. */
  readonly flush: () => void
  /** Called when everything is as the events reported. */
  readonly confirm: () => void
  /** Called when the state cannot be confirmed; `confirm` ends the doubt. */
  readonly doubt: (cause: string) => void
  /** Called when events were lost: the stream must be restarted. */
  readonly onEventsLost: (cause: string) => void
}

type ReadableDump = Exclude<DumpResult, { kind: 'failed' }>

/** Maximum number of dumps in one cross-check. Each can show another difference, because events are late on a busy host. */
const MAX_DUMPS = 5

/** Maximum interval of rereads, however many mirrors there are: what a lost line hides must be found within 15 s. */
const MAX_REREAD_GAP_MS = 10_000

/**
 * Compares the state that events reported with a new dump, periodically. It confirms the state of every mirror and finds what the
 * events of DRBD omit: progress on 8.4, out-of-sync amounts while a peer is not connected, and lost events (a drbdsetup that is
 * stopped or hangs prints nothing and does not end).
 *
 * Invariants: one comparison at a time. A difference counts if the next dump shows it too and no event changed a state word of the
 * resource since before the first dump. A dump that fails raises a doubt at once, and only a dump that agrees ends it. The doubt about
 * a resource with a lost line ends only with a dump that began after the loss.
 */
export class CrossCheck {
  readonly #options: CrossCheckOptions
  /** Mirrors that events changed since the current comparison began; `null`: no comparison runs. */
  #changed: Set<string> | null = null
  /** Digest of a dump that agreed with the events; `null`: an event may have changed a state word since. */
  #agreedDigest: string | null = null
  #hasNewWords = false
  #isDoubted = false
  #comparedAtMs: number
  #statisticsAtMs: number
  readonly #rereads: Rereads

  constructor(options: CrossCheckOptions) {
    this.#options = options
    const { clock, pace, state } = options
    this.#comparedAtMs = clock.steadyNow()
    this.#statisticsAtMs = clock.steadyNow()
    this.#rereads = new Rereads({
      read: signal => this.#reread(signal),
      afterMs: pace.rereadAfterMs,
      gapMs: () => Math.min(pace.rereadGapMs + pace.rereadGapMsPerMirror * state.size, MAX_REREAD_GAP_MS),
      clock,
    })
  }

  /** Requests a comparison soon, because a line was lost. */
  requestReread(): void {
    this.#rereads.request()
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, pace, procDrbd } = this.#options
    const everyMs = Math.min(pace.confirmEveryMs, pace.awayEveryMs, pace.verifyEveryMs)
    const loops = [repeatEvery(clock, everyMs, signal, () => this.#compareWhenDue(signal)), this.#rereads.run(signal)]
    if (procDrbd !== null) {
      loops.push(repeatEvery(clock, pace.progressEveryMs, signal, () => this.#readProcDrbd(procDrbd, signal)))
    }
    await Promise.all(loops)
  }

  /** Takes note of a line of the event stream. */
  onLine(line: Events2Line): void {
    if (this.#hasNewWords || !mayChangeWords(line)) return
    this.#hasNewWords = true
    this.#agreedDigest = null
  }

  /** Takes note of mirrors that events changed. */
  onChanged(mirrors: Iterable<string>): void {
    if (this.#changed === null) return
    for (const mirror of mirrors) this.#changed.add(mirror)
  }

  async #compareWhenDue(signal: AbortSignal): Promise<void> {
    const { clock, state, pace, module } = this.#options
    const now = clock.steadyNow()
    const sinceStatisticsMs = now - this.#statisticsAtMs
    const verifyMs = pace.verifyEveryMs + pace.verifyEveryMsPerMirror * state.size
    const isAwayDue = sinceStatisticsMs >= pace.awayEveryMs && module.family !== '8.4'
    const statistics =
      sinceStatisticsMs >= verifyMs ||
      (isAwayDue && state.devices().some(each => hasDisconnectedPeer(each) || hasRemovedPeer(each)))
    if (statistics || now - this.#comparedAtMs >= pace.confirmEveryMs / 2) await this.#compare(signal, statistics)
    // The state is unknown until a comparison agrees, so the next one does not wait for the regular interval.
    for (let failures = 1; this.#isDoubted && !signal.aborted; failures += 1) {
      await sleep(clock, Math.min(pace.confirmAfterMs * 2 ** (failures - 1), pace.confirmEveryMs), signal)
      if (!signal.aborted) await this.#compare(signal, false)
    }
  }

  /** Compares because a line was lost. */
  async #reread(signal: AbortSignal): Promise<RereadOutcome> {
    return this.#options.state.complete ? this.#compare(signal, false) : 'settled'
  }

  /** Reads dumps and compares them with the state that events reported. @param statistics reads these too */
  async #compare(signal: AbortSignal, statistics: boolean): Promise<RereadOutcome> {
    const { clock, pace, flush, onEventsLost, state } = this.#options
    if (this.#changed !== null || !state.complete) return 'open'
    this.#comparedAtMs = clock.steadyNow()
    if (statistics) this.#statisticsAtMs = this.#comparedAtMs
    const changed = new Set<string>()
    this.#changed = changed
    this.#hasNewWords = false
    const withNewWords = state.wordChanges.begin()
    try {
      let before: ReadonlyMap<string, string> = new Map()
      for (let dumps = 0; dumps < MAX_DUMPS; dumps += 1) {
        if (dumps > 0) await sleep(clock, pace.confirmAfterMs, signal)
        const lossesBefore = state.losses.count
        const dump = await this.#readDump(signal, statistics)
        if (dump === null) return 'open'
        const differences = this.#differences(dump, withNewWords)
        const [lost] = [...differences].filter(([mirror]) => before.has(mirror))
        if (lost !== undefined) {
          onEventsLost(`events were lost: ${lost.join(' ')}`)
          return 'settled'
        }
        before = differences
        if (differences.size > 0) continue
        this.#agree(dump, statistics, changed)
        const isSettled = state.losses.count === lossesBefore && this.#liftDoubts(dump, withNewWords)
        return isSettled ? 'settled' : 'open'
      }
      return 'open'
    } finally {
      this.#changed = null
      state.wordChanges.end()
      flush()
    }
  }

  /**
   * Ends the doubt about resources with lost lines that the dump shows as the events reported them.
   *
   * @returns false: an event came meanwhile for one of the resources, so another dump is needed soon
   */
  #liftDoubts(dump: ReadableDump, withNewWords: ReadonlySet<string>): boolean {
    const { state } = this.#options
    let isLifted = true
    for (const name of [...state.losses.resources]) {
      // If the line is unreadable in every dump, the next regular comparison tries again; an immediate retry would never end.
      if (dump.kind === 'unchanged' || dump.state.losses.resources.has(name)) continue
      if (withNewWords.has(name)) isLifted = false
      else state.restore(name)
    }
    return isLifted
  }

  #agree(dump: ReadableDump, statistics: boolean, changed: ReadonlySet<string>): void {
    if (dump.kind === 'complete') {
      // The text proves nothing about a resource that an event changed meanwhile or that has an unreadable line.
      const isProof = !statistics && !this.#hasNewWords && !dump.state.losses.any && !this.#options.state.losses.any
      this.#agreedDigest = isProof ? dump.digest : null
      if (statistics) this.#copyStatistics(dump.state, changed)
    }
    this.#isDoubted = false
    this.#options.confirm()
  }

  /** `null`: there is no readable dump. */
  async #readDump(signal: AbortSignal, statistics: boolean): Promise<ReadableDump | null> {
    const { flush } = this.#options
    const dump = await readDump(this.#options, signal, {
      statistics,
      known: statistics ? null : this.#agreedDigest,
      onTimeout: cause => this.#fail(cause),
    })
    if (signal.aborted) return null
    if (dump.kind === 'failed') {
      this.#fail(dump.cause)
      return null
    }
    // Events that have been read by now count as changes during the comparison.
    flush()
    return dump
  }

  #fail(cause: string): void {
    this.#isDoubted = true
    this.#options.doubt(cause)
  }

  /** The difference of each mirror that differs, except in resources whose state words events changed meanwhile. */
  #differences(dump: DumpResult, withNewWords: ReadonlySet<string>): Map<string, string> {
    const differences = new Map<string, string>()
    if (dump.kind !== 'complete') return differences
    const { state } = this.#options
    const { resources: unreadable } = dump.state.losses
    for (const { mirror, resource } of [...dump.state.devices(), ...state.devices()]) {
      if (withNewWords.has(resource.name) || unreadable.has(resource.name)) continue
      const difference = stateDifference(state.device(mirror), dump.state.device(mirror))
      if (difference !== null) differences.set(mirror, difference)
    }
    return differences
  }

  #copyStatistics(dump: Events2State, changed: ReadonlySet<string>): void {
    const { state } = this.#options
    for (const device of dump.devices()) {
      const live = state.device(device.mirror)
      if (live === undefined || changed.has(live.mirror)) continue
      if (hasRemovedPeer(live) && confirmRemovals(live, device)) state.changed.addAll(live.resource)
      if (copyIo(live, device)) state.changed.addAll(live.resource)
      if (copyOutOfSync(live, device)) state.changed.add(live)
    }
  }

  /** Reads the statistics of 8.4, which needs no process. */
  async #readProcDrbd(procDrbd: ProcDrbd, signal: AbortSignal): Promise<void> {
    const { state, flush } = this.#options
    if (this.#changed !== null || !state.complete) return
    const outcome = await procDrbd.update(state)
    if (outcome === 'nothing' || signal.aborted) return
    flush()
    if (outcome === 'disagrees') await this.#compare(signal, false)
  }
}

/** Whether a line may change a dump without statistics: a state word, or the set of objects. */
function mayChangeWords(line: Events2Line): boolean {
  if (line.kind !== 'change' || line.verb !== 'change' || line.object === 'unknown') return true
  return line.hasStateWord() || line.syncState !== undefined || line.oddKeys !== undefined
}
