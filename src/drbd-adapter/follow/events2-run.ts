import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FileReader } from '../../platform/file-reader/file-reader.ts'
import { type Clock, repeatEvery } from '../../platform/time/clock.ts'
import type { Events2Line } from '../events2/events2-line.ts'
import type { FreshProblems } from '../events2/events2-problems.ts'
import { Events2Reader } from '../events2/events2-reader.ts'
import { Events2State } from '../events2/events2-state.ts'
import type { AbandonedProcesses } from './abandoned-processes.ts'
import { CrossCheck } from './cross-check.ts'
import { type DrbdModule, isDrbdModuleLoaded } from './drbd-module.ts'
import { DrbdsetupChild, type DrbdsetupCommand } from './drbdsetup-child.ts'
import { IncompleteEvents } from './incomplete-events.ts'
import type { DrbdSourcePace } from './pace.ts'
import type { PendingUpdate } from './pending-update.ts'
import { ProcDrbd } from './proc-drbd.ts'

export interface Events2RunOptions {
  readonly drbdsetup: DrbdsetupCommand
  readonly module: DrbdModule
  /** The directory that stands for `/`. */
  readonly root: string
  readonly files: FileReader
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly pace: DrbdSourcePace
  readonly pending: PendingUpdate
  readonly abandoned: AbandonedProcesses
  /** Options that this drbdsetup does not know. */
  readonly refused: Set<string>
}

const OPTIONS = ['--timestamps', '--statistics']

/** In a flood of events at most a twentieth of the time is spent on updates, however slow the machine is. */
const FLOOD_COST_FACTOR = 19
const MAX_FLOOD_GATHER_MS = 250

const MAX_CAUSE = 200

/**
 * One run of `drbdsetup events2`, from its start to its end. Its changes go into `pending`.
 *
 * Invariant: when the run ends, `pending` has a doubt before anything else happens, and only a complete dump ends the doubt.
 */
export class Events2Run {
  /** Settles when the child is gone or abandoned and the cross-check has ended. */
  readonly ended: Promise<void>
  readonly #options: Events2RunOptions
  readonly #state = new Events2State({ isReread: true })
  readonly #child: DrbdsetupChild
  readonly #crossCheck: CrossCheck
  readonly #stop = new AbortController()
  /** Why this program ended the run; `null`: it did not. */
  #cause: string | null = null
  /** The whole of `#state` is in `pending`. */
  #isComplete = false
  #cancelDumpTimeout: (() => void) | null = null
  #cancelSettling: (() => void) | null = null
  #cancelGathering: (() => void) | null = null
  #readAtMs = 0
  /** Lines still came at the last gathering: until this moment more are expected. */
  #floodedUntilMs = 0
  /** When the first line since the last gathering was printed, in microseconds of Unix time; `null`: not known. */
  #firstMicros: number | null = null
  /** The resource of the last line: more lines of the same kernel event can be under way. */
  #lastResource: string | null = null
  readonly #incomplete = new IncompleteEvents()

  constructor(options: Events2RunOptions) {
    const { drbdsetup, module, clock, signal, pace, pending, abandoned, refused } = options
    this.#options = options
    const ending = AbortSignal.any([signal, this.#stop.signal])
    const reader = new Events2Reader(line => this.#apply(line))
    this.#awaitDump()
    this.#child = new DrbdsetupChild({
      drbdsetup,
      args: ['events2', ...OPTIONS.filter(option => !refused.has(option))],
      clock,
      signal: ending,
      killAfterMs: pace.killAfterMs,
      abandonAfterMs: pace.abandonAfterMs,
      abandoned,
      onChunk: chunk => {
        this.#readAtMs = clock.steadyNow()
        reader.push(chunk)
        this.#gatherSoon()
      },
    })
    this.#crossCheck = new CrossCheck({
      ...options,
      state: this.#state,
      procDrbd:
        module.family === '8.4'
          ? new ProcDrbd({
              ...options,
              ...pace,
              onProblem: each => pending.addProblems({ problems: [each], counts: new Map([[each.code, 1]]) }),
            })
          : null,
      flush: () => this.#gather(),
      confirm: () => {
        if (this.#isComplete) pending.confirm()
      },
      doubt: cause => {
        if (!this.#stop.signal.aborted) pending.doubt(cause)
      },
      onEventsLost: cause => this.#end(cause),
    })
    this.ended = this.#run(ending)
  }

  async #run(ending: AbortSignal): Promise<void> {
    const { clock, pace, pending, refused, signal } = this.#options
    const loops = [
      repeatEvery(clock, pace.unloadedEveryMs, ending, () => this.#checkModule()),
      this.#crossCheck.run(ending),
    ]
    await Promise.race([this.#child.drained, this.#child.exited])
    // The exit status usually arrives within the same turn.
    await nextTurn()
    const isOwnEnd = this.#cause === null && !signal.aborted
    if (isOwnEnd) pending.doubt(this.#child.exitText, false)
    this.#halt()
    await Promise.all([this.#child.reap(), ...loops])
    pending.addProblems(this.#state.problems.takeFresh())
    if (isOwnEnd) pending.doubt(this.#child.exitText)
    if (this.#child.refusedOption !== null) refused.add(this.#child.refusedOption)
  }

  /** Ends the run because its state is not reliable any more. */
  #end(cause: string): void {
    this.#cause ??= cause
    this.#options.pending.doubt(this.#cause)
    this.#halt()
  }

  #halt(): void {
    for (const cancel of [this.#cancelDumpTimeout, this.#cancelSettling, this.#cancelGathering]) cancel?.()
    this.#stop.abort()
  }

  #checkModule(): void {
    if (!isDrbdModuleLoaded(this.#options.root)) this.#end('the DRBD module was unloaded')
  }

  #awaitDump(): void {
    const { clock, pace, pending } = this.#options
    this.#isComplete = false
    pending.startReading()
    this.#cancelDumpTimeout = clock.after(pace.dumpTimeoutMs, () =>
      this.#end('events2 hangs: its initial dump is not complete'),
    )
  }

  #apply(line: Events2Line): void {
    this.#state.apply(line)
    this.#crossCheck.onLine(line)
    this.#firstMicros ??= line.atMicros
    this.#lastResource = line.kind === 'change' ? line.resource : null
  }

  #gatherSoon(): void {
    if (this.#cancelGathering !== null) return
    const { clock, pace, pending } = this.#options
    const floodMs = Math.min(Math.max(pace.floodGatherMs, pending.costMs * FLOOD_COST_FACTOR), MAX_FLOOD_GATHER_MS)
    const isFlooded = clock.steadyNow() < this.#floodedUntilMs
    this.#cancelGathering = clock.after(isFlooded ? floodMs : pace.gatherMs, () => this.#gather())
  }

  /** Moves the changes of `#state` into `pending`. */
  #gather(): void {
    this.#cancelGathering?.()
    this.#cancelGathering = null
    if (this.#stop.signal.aborted) return
    const { clock, pending, pace } = this.#options
    const { problems, losses, complete } = this.#state
    const fresh = problems.takeFresh()
    pending.addProblems(fresh)
    const changed = this.#state.takeChanged()
    const eventAt = this.#firstMicros === null ? null : this.#firstMicros / 1000
    this.#firstMicros = null
    if (losses.all) this.#end(lossCause(fresh))
    else if (complete && this.#isComplete) this.#publish(changed, eventAt)
    else if (complete) {
      this.#cancelDumpTimeout?.()
      this.#isComplete = true
      pending.readComplete(this.#state)
      if (this.#state.hasOvertaken) {
        this.#cancelSettling = clock.after(pace.confirmAfterMs, () => this.#checkSettled())
      }
    } else if (this.#isComplete) this.#awaitDump()
    if (this.#isComplete && losses.takeRereadRequest()) this.#crossCheck.requestReread()
  }

  /** Usually the next lines settle the doubt about a change that overtook the dump. If not, everything is read again. */
  #checkSettled(): void {
    if (this.#state.hasOvertaken) this.#end('events overtook the dump, everything is read again')
  }

  #publish(mirrors: ReadonlySet<string>, eventAt: number | null): void {
    const { clock, pace, pending } = this.#options
    this.#crossCheck.onChanged(mirrors)
    const now = clock.steadyNow()
    const isQuiet = now - this.#readAtMs >= pace.gatherMs / 2
    this.#floodedUntilMs = isQuiet ? 0 : now + MAX_FLOOD_GATHER_MS
    const released = this.#incomplete.release({ mirrors, eventAt }, isQuiet ? null : this.#lastResource, now)
    pending.addChanges(released.mirrors, released.eventAt)
    if (!this.#incomplete.isEmpty) this.#gatherSoon()
  }
}

/** Why everything is read again, with the last problem. */
function lossCause({ problems }: FreshProblems): string {
  const last = problems.at(-1)?.text
  return `events were lost, everything is read again${last === undefined ? '' : ` (${last})`}`.slice(0, MAX_CAUSE)
}
