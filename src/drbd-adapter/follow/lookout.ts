import { pause } from '../../platform/time/pause.ts'
import type { Events2Line } from '../events2/events2-line.ts'
import type { Events2State } from '../events2/events2-state.ts'
import type { Strays } from '../events2/strays.ts'
import { every } from '../every.ts'
import { disagreement } from './disagreement.ts'
import type { DrbdModule } from './drbd-module.ts'
import type { DrbdsetupCommand } from './drbdsetup-child.ts'
import { hasLostPeer, isAlone, takeIo, takeOutOfSync, takeRemovals } from './figures.ts'
import { type Look, lookAround } from './look.ts'
import type { DrbdSourcePace } from './pace.ts'
import type { ProcDrbd } from './proc-drbd.ts'
import { type RereadOutcome, Rereads } from './rereads.ts'

export interface LookoutOptions {
  readonly drbdsetup: DrbdsetupCommand
  readonly module: DrbdModule
  /** What the events said. Figures are put into it, words never are. */
  readonly state: Events2State
  readonly pace: DrbdSourcePace
  readonly strays: Strays
  readonly refused: Set<string>
  /** /proc/drbd of 8.4, which has the figures that its events omit; `null` on 9. */
  readonly procDrbd: ProcDrbd | null
  /** Passes on what was touched in `state` so far: to be judged, and to `touched`. */
  readonly gather: () => void
  /** Everything was found to be as the events said. */
  readonly confirm: () => void
  /** The present state cannot be confirmed; `confirm` ends that. */
  readonly doubt: (cause: string) => void
  /** The events can no longer be believed. */
  readonly distrust: (cause: string) => void
}

/** So many looks in a row may each find another difference, as events come late on a busy host. */
const MAX_LOOKS = 5

/** However many mirrors there are: what a lost line hides must be found within 15 s. */
const MAX_REREAD_GAP_MS = 10_000

/**
 * Confirms the state of every mirror at a steady pace, and finds what the events of DRBD omit: progress on 8.4, what is out of
 * sync while a peer is away, and whether events were lost (a drbdsetup that was stopped, or that hangs, prints nothing and
 * does not end).
 *
 * Invariants: one comparison at a time; that a mirror differs is believed if the next look finds it so too, and no event has
 * said a word of its resource since before the first; a look that fails raises a doubt at once, which only a look that agrees
 * ends; the doubt about a resource that lost a line is lifted only by a look that began after the loss.
 */
export class Lookout {
  readonly #options: LookoutOptions
  /** Mirrors that events touched since the present comparison began; `null`: none is being made. */
  #touched: Set<string> | null = null
  /** The text of a look, by its digest, that agreed with the events; `null`: an event may have changed a word since. */
  #agreed: string | null = null
  #hasHeardWords = false
  #isDoubted = false
  #comparedAt = performance.now()
  #figuresAt = performance.now()
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
    const { pace, procDrbd } = this.#options
    const everyMs = Math.min(pace.confirmEveryMs, pace.awayEveryMs, pace.verifyEveryMs)
    const watches = [every(everyMs, signal, () => this.#compareWhenDue(signal)), this.#rereads.keep(signal)]
    if (procDrbd !== null) watches.push(every(pace.progressEveryMs, signal, () => this.#readFigures(procDrbd, signal)))
    await Promise.all(watches)
  }

  /** An event was read. */
  heard(line: Events2Line): void {
    if (this.#hasHeardWords || !mayChangeWords(line)) return
    this.#hasHeardWords = true
    this.#agreed = null
  }

  touched(mirrors: Iterable<string>): void {
    if (this.#touched === null) return
    for (const mirror of mirrors) this.#touched.add(mirror)
  }

  async #compareWhenDue(signal: AbortSignal): Promise<void> {
    const { state, pace, module } = this.#options
    const now = performance.now()
    const verifyMs = pace.verifyEveryMs + pace.verifyEveryMsPerMirror * state.size
    const isAway = now - this.#figuresAt >= pace.awayEveryMs && module.family !== '8.4'
    const figures =
      now - this.#figuresAt >= verifyMs || (isAway && state.devices().some(each => isAlone(each) || hasLostPeer(each)))
    if (figures || now - this.#comparedAt >= pace.confirmEveryMs / 2) await this.#compare(signal, figures)
    // Not at the next turn: until then nothing is known.
    for (let failures = 1; this.#isDoubted && !signal.aborted; failures += 1) {
      await pause(Math.min(pace.confirmAfterMs * 2 ** (failures - 1), pace.confirmEveryMs), signal)
      if (!signal.aborted) await this.#compare(signal, false)
    }
  }

  /** Compares because a line was lost. */
  async #readAgain(signal: AbortSignal): Promise<RereadOutcome> {
    return this.#options.state.complete ? this.#compare(signal, false) : 'settled'
  }

  /** Asks for everything anew, and compares it with what the events said. @param figures asks for these too */
  async #compare(signal: AbortSignal, figures: boolean): Promise<RereadOutcome> {
    const { pace, gather, distrust, state } = this.#options
    if (this.#touched !== null || !state.complete) return 'open'
    this.#comparedAt = performance.now()
    if (figures) this.#figuresAt = this.#comparedAt
    const touched = new Set<string>()
    this.#touched = touched
    this.#hasHeardWords = false
    const worded = state.said.begin()
    try {
      let before: ReadonlyMap<string, string> = new Map()
      for (let looks = 0; looks < MAX_LOOKS; looks += 1) {
        if (looks > 0) await pause(pace.confirmAfterMs, signal)
        const lostBefore = state.losses.count
        const look = await this.#look(signal, figures)
        if (look === null) return 'open'
        const differences = this.#differences(look, worded)
        const [lost] = [...differences].filter(([mirror]) => before.has(mirror))
        if (lost !== undefined) {
          distrust(`events were lost: ${lost[0]} is told as ${lost[1]}`)
          return 'settled'
        }
        before = differences
        if (differences.size > 0) continue
        this.#agree(look, figures, touched)
        return state.losses.count === lostBefore && this.#liftDoubts(look, worded) ? 'settled' : 'open'
      }
      return 'open'
    } finally {
      this.#touched = null
      state.said.end()
      gather()
    }
  }

  /**
   * What lost lines was read again, and is as the events said it.
   *
   * @returns false: of some resource an event came meanwhile, so that another look is needed soon
   */
  #liftDoubts(look: Exclude<Look, { kind: 'failed' }>, worded: ReadonlySet<string>): boolean {
    const { state } = this.#options
    let isLifted = true
    for (const name of [...state.losses.resources]) {
      // A line that is unreadable in every dump is no cause to read without end: the next regular look tries again.
      if (look.kind === 'same' || look.state.losses.resources.has(name)) continue
      if (worded.has(name)) isLifted = false
      else state.restore(name)
    }
    return isLifted
  }

  #agree(look: Exclude<Look, { kind: 'failed' }>, figures: boolean, touched: ReadonlySet<string>): void {
    if (look.kind === 'whole') {
      // Of what an event changed or no line could be read the text says nothing.
      const holds = !figures && !this.#hasHeardWords && !look.state.losses.any && !this.#options.state.losses.any
      this.#agreed = holds ? look.digest : null
      if (figures) this.#takeFigures(look.state, touched)
    }
    this.#isDoubted = false
    this.#options.confirm()
  }

  /** `null`: not to be had. */
  async #look(signal: AbortSignal, figures: boolean): Promise<Exclude<Look, { kind: 'failed' }> | null> {
    const { gather } = this.#options
    const look = await lookAround(this.#options, signal, {
      figures,
      known: figures ? null : this.#agreed,
      onSilence: why => this.#fail(why),
    })
    if (signal.aborted) return null
    if (look.kind === 'failed') {
      this.#fail(look.why)
      return null
    }
    // Every event that was read by now is to be known as one.
    gather()
    return look
  }

  #fail(why: string): void {
    this.#isDoubted = true
    this.#options.doubt(why)
  }

  /** In what each mirror differs of which no event said a word meanwhile, for those that do. */
  #differences(look: Look, worded: ReadonlySet<string>): Map<string, string> {
    const differences = new Map<string, string>()
    if (look.kind !== 'whole') return differences
    const { state } = this.#options
    const { resources: unread } = look.state.losses
    for (const { mirror, resource } of [...look.state.devices(), ...state.devices()]) {
      if (worded.has(resource.name) || unread.has(resource.name)) continue
      const what = disagreement(state.device(mirror), look.state.device(mirror))
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
      if (takeIo(live, device)) state.dirty.touchAll(live.resource)
      if (takeOutOfSync(live, device)) state.dirty.touch(live)
    }
  }

  /** The figures of 8.4; a look there starts no process of its own. */
  async #readFigures(procDrbd: ProcDrbd, signal: AbortSignal): Promise<void> {
    const { state, gather } = this.#options
    if (this.#touched !== null || !state.complete) return
    const found = await procDrbd.takeFigures(state)
    if (found === 'nothing' || signal.aborted) return
    gather()
    if (found === 'disagrees') await this.#compare(signal, false)
  }
}

/** Whether a line may change what a dump without figures prints: a word, or which objects there are. */
function mayChangeWords(line: Events2Line): boolean {
  if (line.kind !== 'change' || line.verb !== 'change' || line.object === 'unknown') return true
  return line.saysWord() || line.syncState !== undefined || line.oddKeys !== undefined
}
