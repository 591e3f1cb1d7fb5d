import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FileReader } from '../../platform/file-reader/file-reader.ts'
import type { Events2Line } from '../events2/events2-line.ts'
import type { FreshProblems } from '../events2/events2-problems.ts'
import { Events2Reader } from '../events2/events2-reader.ts'
import { Events2State } from '../events2/events2-state.ts'
import { HalfTold } from '../events2/half-told.ts'
import type { Strays } from '../events2/strays.ts'
import { every } from '../every.ts'
import { type DrbdModule, isDrbdModuleLoaded } from './drbd-module.ts'
import { DrbdsetupChild, type DrbdsetupCommand } from './drbdsetup-child.ts'
import { Lookout } from './lookout.ts'
import type { DrbdSourcePace } from './pace.ts'
import { ProcDrbd } from './proc-drbd.ts'
import type { Untold } from './untold.ts'

export interface Events2RunOptions {
  readonly drbdsetup: DrbdsetupCommand
  readonly module: DrbdModule
  /** The directory that stands for `/`. */
  readonly root: string
  readonly files: FileReader
  readonly signal: AbortSignal
  readonly pace: DrbdSourcePace
  readonly untold: Untold
  readonly strays: Strays
  /** Options that this drbdsetup was found not to know. */
  readonly refused: Set<string>
}

const OPTIONS = ['--timestamps', '--statistics']

/** In a flood a twentieth of the time goes into telling of it, however slow the machine is. */
const FLOOD_COST_FACTOR = 19
const MOST_FLOOD_GATHER_MS = 250

const MAX_CAUSE = 200

/**
 * One child that tells events, from its start to its end; what it tells goes into `untold`.
 *
 * Invariant: a doubt is told before anything else is done about an end, and lifted only by a whole dump.
 */
export class Events2Run {
  /** Settles when the child is gone or given up, and all that was started beside it. */
  readonly ended: Promise<void>
  readonly #options: Events2RunOptions
  readonly #state = new Events2State({ isReread: true })
  readonly #child: DrbdsetupChild
  readonly #lookout: Lookout
  readonly #stop = new AbortController()
  /** Why it was ended from this side. */
  #cause: string | null = null
  /** All that `#state` holds was told. */
  #isWhole = false
  #dumpTimer: NodeJS.Timeout | undefined
  #settleTimer: NodeJS.Timeout | undefined
  #gatherTimer: NodeJS.Timeout | undefined
  #readAt = 0
  /** Lines still came when the last were gathered: until this moment more are reckoned with. */
  #floodedUntil = 0
  /** When the first line since the last gathering was printed, microseconds since 1970; `null`: it was not said. */
  #firstMicros: number | null = null
  /** What the last line was about: more lines of the same kernel event may be under way. */
  #lastResource: string | null = null
  readonly #halfTold = new HalfTold()

  constructor(options: Events2RunOptions) {
    const { drbdsetup, module, signal, pace, untold, strays, refused } = options
    this.#options = options
    const ending = AbortSignal.any([signal, this.#stop.signal])
    const reader = new Events2Reader(line => this.#apply(line))
    this.#awaitDump()
    this.#child = new DrbdsetupChild({
      drbdsetup,
      question: ['events2', ...OPTIONS.filter(option => !refused.has(option))],
      signal: ending,
      killAfterMs: pace.killAfterMs,
      abandonAfterMs: pace.abandonAfterMs,
      strays,
      onChunk: chunk => {
        this.#readAt = performance.now()
        reader.push(chunk)
        this.#gatherSoon()
      },
    })
    this.#lookout = new Lookout({
      ...options,
      state: this.#state,
      procDrbd:
        module.family === '8.4'
          ? new ProcDrbd({
              ...options,
              ...pace,
              onProblem: each => untold.misunderstood({ problems: [each], counts: new Map([[each.code, 1]]) }),
            })
          : null,
      gather: () => this.#gather(),
      confirm: () => {
        if (this.#isWhole) untold.confirm()
      },
      doubt: cause => {
        if (!this.#stop.signal.aborted) untold.doubt(cause)
      },
      distrust: cause => this.#end(cause),
    })
    this.ended = this.#run(ending)
  }

  async #run(ending: AbortSignal): Promise<void> {
    const { pace, untold, refused, signal } = this.#options
    const watches = [every(pace.unloadedEveryMs, ending, () => this.#checkModule()), this.#lookout.keep(ending)]
    await Promise.race([this.#child.drained, this.#child.exited])
    // Its exit status, where there is one, is most often known within the same turn.
    await nextTurn()
    const isOwnEnd = this.#cause === null && !signal.aborted
    if (isOwnEnd) untold.doubt(this.#child.epitaph, false)
    this.#halt()
    await Promise.all([this.#child.reap(), ...watches])
    untold.misunderstood(this.#state.problems.takeFresh())
    if (isOwnEnd) untold.doubt(this.#child.epitaph)
    if (this.#child.refusedOption !== null) refused.add(this.#child.refusedOption)
  }

  /** Ends it for a cause, after which nothing of what was told can be relied upon. */
  #end(cause: string): void {
    this.#cause ??= cause
    this.#options.untold.doubt(this.#cause)
    this.#halt()
  }

  #halt(): void {
    for (const timer of [this.#dumpTimer, this.#settleTimer, this.#gatherTimer]) clearTimeout(timer)
    this.#stop.abort()
  }

  #checkModule(): void {
    if (!isDrbdModuleLoaded(this.#options.root)) this.#end('the DRBD module was unloaded')
  }

  #awaitDump(): void {
    this.#isWhole = false
    this.#options.untold.unread()
    this.#dumpTimer = setTimeout(
      () => this.#end('events2 hangs, it told no whole dump'),
      this.#options.pace.dumpTimeoutMs,
    )
  }

  #apply(line: Events2Line): void {
    this.#state.apply(line)
    this.#lookout.heard(line)
    this.#firstMicros ??= line.atMicros
    this.#lastResource = line.kind === 'change' ? line.resource : null
  }

  #gatherSoon(): void {
    if (this.#gatherTimer !== undefined) return
    const { pace, untold } = this.#options
    const floodMs = Math.min(Math.max(pace.floodGatherMs, untold.costMs * FLOOD_COST_FACTOR), MOST_FLOOD_GATHER_MS)
    const isFlooded = performance.now() < this.#floodedUntil
    this.#gatherTimer = setTimeout(() => this.#gather(), isFlooded ? floodMs : pace.gatherMs)
  }

  #gather(): void {
    clearTimeout(this.#gatherTimer)
    this.#gatherTimer = undefined
    if (this.#stop.signal.aborted) return
    const { untold, pace } = this.#options
    const { problems, losses, complete } = this.#state
    const fresh = problems.takeFresh()
    untold.misunderstood(fresh)
    const dirty = this.#state.takeDirty()
    const eventAt = this.#firstMicros === null ? null : this.#firstMicros / 1000
    this.#firstMicros = null
    if (losses.all) this.#end(lossOf(fresh))
    else if (complete && this.#isWhole) this.#tell(dirty, eventAt)
    else if (complete) {
      clearTimeout(this.#dumpTimer)
      this.#isWhole = true
      untold.whole(this.#state)
      if (this.#state.hasOvertaken) this.#settleTimer = setTimeout(() => this.#checkSettled(), pace.confirmAfterMs)
    } else if (this.#isWhole) this.#awaitDump()
    if (this.#isWhole && losses.takeWish()) this.#lookout.reread()
  }

  /** What a change that overtook the dump brought in doubt, most often the next lines say again. */
  #checkSettled(): void {
    if (this.#state.hasOvertaken) this.#end('events overtook the dump, everything is read again')
  }

  #tell(mirrors: ReadonlySet<string>, eventAt: number | null): void {
    this.#lookout.touched(mirrors)
    const now = performance.now()
    const isQuiet = now - this.#readAt >= this.#options.pace.gatherMs / 2
    this.#floodedUntil = isQuiet ? 0 : now + MOST_FLOOD_GATHER_MS
    const told = this.#halfTold.settle({ mirrors, eventAt }, isQuiet ? null : this.#lastResource, now)
    this.#options.untold.changed(told.mirrors, told.eventAt)
    if (!this.#halfTold.isEmpty) this.#gatherSoon()
  }
}

/** Why everything is read again, with what could not be understood last. */
function lossOf({ problems }: FreshProblems): string {
  const last = problems.at(-1)?.text
  return `events were lost, everything is read again${last === undefined ? '' : ` (${last})`}`.slice(0, MAX_CAUSE)
}
