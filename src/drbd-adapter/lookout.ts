import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pause } from '../waiting/index.ts'
import { disagreement } from './disagreement.ts'
import type { DrbdModule } from './drbd-module.ts'
import type { DrbdsetupCommand } from './drbdsetup-child.ts'
import type { Events2State } from './events2-state.ts'
import { every } from './every.ts'
import { hasLostPeer, hasNoPeer, isAlone, isMoving, takeOutOfSync, takeProcFigures, takeRemovals } from './figures.ts'
import { lookAround } from './look.ts'
import type { DrbdSourcePace } from './pace.ts'
import { parseProcDrbd } from './parse-proc-drbd.ts'
import { type RereadOutcome, Rereads } from './rereads.ts'
import type { Strays } from './strays.ts'

export interface LookoutOptions {
  readonly drbdsetup: DrbdsetupCommand
  readonly module: DrbdModule
  /** The directory that stands for `/`. */
  readonly root: string
  /** What the events told. Figures are put into it, words never are. */
  readonly state: Events2State
  readonly pace: DrbdSourcePace
  readonly strays: Strays
  /** Hands over what was touched in `state` so far: to be judged, and to `touched`. */
  readonly gather: () => void
  /** Everything was found to be as the events told it. */
  readonly confirm: () => void
  /** The events can no longer be believed. */
  readonly distrust: (cause: string) => void
}

/** So many looks in a row may fail; a host on which nothing can be asked any more is unknown. */
const MAX_FAILED_LOOKS = 2

/** However many mirrors there are: what a lost line hides must be found within 15 s. */
const MAX_REREAD_GAP_MS = 10_000

/**
 * Looks for what the events of DRBD do not tell: progress on 8.4, what is out of sync while a peer is away, and whether
 * events were lost (a drbdsetup that was stopped, or that hangs, says nothing and does not end).
 *
 * Invariants: one look at a time; a difference is believed if a second look finds the same one, and no event has said a
 * word of that resource since before the first; the doubt about a resource that lost a line is lifted only by a look
 * that began after the loss.
 */
export class Lookout {
  readonly #options: LookoutOptions
  /** Mirrors that events touched since the present comparison began; `null`: none is being made. */
  #touched: Set<string> | null = null
  /** Minors whose word in /proc/drbd was another one the last time. */
  #doubtful = new Set<string>()
  #failedLooks = 0
  #canLook = true
  #comparedAt = performance.now()
  #procReadAt = Number.NEGATIVE_INFINITY
  readonly #rereads: Rereads

  constructor(options: LookoutOptions) {
    this.#options = options
    const { pace, state } = options
    this.#rereads = new Rereads({
      read: signal => this.#readAgain(signal),
      afterMs: pace.rereadAfterMs,
      gapMs: () => Math.min(pace.rereadGapMs + pace.rereadGapMsPerMirror * state.size, MAX_REREAD_GAP_MS),
      clock: () => performance.now(),
    })
  }

  /** Everything is to be read again soon: a line was lost. */
  reread(): void {
    this.#rereads.want()
  }

  /** Looks out until `signal` is aborted. */
  async keep(signal: AbortSignal): Promise<void> {
    const { pace, module } = this.#options
    const compareMs = Math.min(pace.awayEveryMs, pace.verifyEveryMs)
    const watches = [every(compareMs, signal, () => this.#compareWhenDue(signal)), this.#rereads.keep(signal)]
    if (module.family === '8.4') watches.push(every(pace.progressEveryMs, signal, () => this.#readFigures(signal)))
    await Promise.all(watches)
  }

  touched(mirrors: Iterable<string>): void {
    if (this.#touched === null) return
    for (const mirror of mirrors) this.#touched.add(mirror)
  }

  async #compareWhenDue(signal: AbortSignal): Promise<void> {
    const { state, pace, module } = this.#options
    const dueMs = pace.verifyEveryMs + pace.verifyEveryMsPerMirror * state.size
    const isDue = performance.now() - this.#comparedAt >= dueMs
    const isWanted = module.family !== '8.4' && state.devices().some(each => isAlone(each) || hasLostPeer(each))
    if (isDue || isWanted) await this.#compare(signal)
  }

  /** Compares because a line was lost. Where nothing can be asked beside the events, only another dump helps. */
  async #readAgain(signal: AbortSignal): Promise<RereadOutcome> {
    const { state, distrust } = this.#options
    if (!state.complete) return 'settled'
    if (!this.#canLook) {
      distrust('events were lost, everything is read again')
      return 'settled'
    }
    return this.#compare(signal)
  }

  /** Asks for everything anew, and compares it with what the events told. */
  async #compare(signal: AbortSignal): Promise<RereadOutcome> {
    const { pace, state, gather, confirm, distrust } = this.#options
    if (this.#touched !== null || !this.#canLook || !state.complete) return 'open'
    this.#comparedAt = performance.now()
    const touched = new Set<string>()
    this.#touched = touched
    const worded = state.said.begin()
    let lostBefore = state.losses.count
    const isSettled = (mirror: string) => !worded.has(resourceOf(mirror))
    try {
      let look = await this.#look(signal)
      const first = look === null ? new Map() : this.#differences(look)
      if (first.size > 0) {
        await pause(pace.confirmAfterMs, signal)
        lostBefore = state.losses.count
        look = await this.#look(signal)
      }
      if (look === null) return 'open'
      const second = first.size > 0 ? this.#differences(look) : first
      for (const [mirror, what] of second) {
        if (first.get(mirror) !== what || !isSettled(mirror)) continue
        distrust(`events were lost: ${mirror} is told as ${what}`)
        return 'settled'
      }
      // Not before: a mirror whose figures are taken would pass for one that an event touched.
      this.#takeFigures(look, touched)
      if (state.losses.count > lostBefore) return 'open'
      if (second.size > 0) return 'open'
      const isLifted = this.#liftDoubts(look, worded)
      confirm()
      return isLifted ? 'settled' : 'open'
    } finally {
      this.#touched = null
      state.said.end()
      gather()
    }
  }

  /**
   * What lost lines was read again, and is as the events told it.
   *
   * @returns false: of some resource an event came meanwhile, so that another look is needed soon
   */
  #liftDoubts(look: Events2State, worded: ReadonlySet<string>): boolean {
    const { state } = this.#options
    let isLifted = true
    for (const name of [...state.losses.resources]) {
      // A line that is unreadable in every dump is no cause to read without end: the next regular look tries again.
      if (look.losses.resources.has(name)) continue
      if (worded.has(name)) isLifted = false
      else state.restore(name)
    }
    return isLifted
  }

  /** `null`: not to be had. */
  async #look(signal: AbortSignal): Promise<Events2State | null> {
    const { gather, distrust } = this.#options
    const look = await lookAround(this.#options, signal)
    if (signal.aborted) return null
    if (look.kind === 'whole') {
      this.#failedLooks = 0
      // Every event that was read by now is to be known as one.
      gather()
      return look.state
    }
    this.#canLook = look.kind !== 'refused'
    this.#failedLooks += 1
    if (this.#failedLooks >= MAX_FAILED_LOOKS) distrust(look.why)
    return null
  }

  /** In what each mirror differs, for those that do. */
  #differences(look: Events2State): Map<string, string> {
    const { state } = this.#options
    const differences = new Map<string, string>()
    const { resources: unread } = look.losses
    for (const { mirror, resource } of [...look.devices(), ...state.devices()]) {
      if (unread.has(resource.name)) continue
      const what = disagreement(state.device(mirror), look.device(mirror))
      if (what !== null) differences.set(mirror, what)
    }
    return differences
  }

  #takeFigures(look: Events2State, touched: ReadonlySet<string>): void {
    const { state } = this.#options
    for (const device of look.devices()) {
      const live = state.device(device.mirror)
      if (live === undefined || touched.has(live.mirror)) continue
      if (hasLostPeer(live) && takeRemovals(live, device)) state.dirty.touchAll(live.resource)
      if (takeOutOfSync(live, device)) state.dirty.touch(live)
    }
  }

  /** The figures of 8.4, from /proc/drbd: a look there costs no process. */
  async #readFigures(signal: AbortSignal): Promise<void> {
    const { root, state, pace } = this.#options
    if (this.#touched !== null || !state.complete) return
    const isAway = performance.now() - this.#procReadAt >= pace.awayEveryMs
    const isDue = isAway && state.devices().some(each => isAlone(each) || hasNoPeer(each))
    if (!isDue && !state.devices().some(isMoving)) return
    this.#procReadAt = performance.now()
    const text = await readFile(join(root, 'proc/drbd'), 'utf8').catch(() => '')
    const byMinor = new Map(state.devices().map(device => [`drbd${device.minor}`, device]))
    const doubtful = new Set<string>()
    for (const volume of parseProcDrbd(text).volumes) {
      const live = byMinor.get(volume.mirror)
      if (live === undefined) continue
      const outcome = takeProcFigures(live, volume)
      if (outcome === 'disagrees') doubtful.add(volume.mirror)
      // The same figure again is news where data moves: only that proves a stall.
      else if (outcome === 'taken' || isMoving(live)) state.dirty.touch(live)
    }
    this.#options.gather()
    const isLasting = !doubtful.isDisjointFrom(this.#doubtful)
    this.#doubtful = doubtful
    if (isLasting) await this.#compare(signal)
  }
}

function resourceOf(mirror: string): string {
  return mirror.slice(0, mirror.lastIndexOf('/'))
}
