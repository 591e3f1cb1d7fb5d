import type { GateAnswer } from '../../agent-api/answers.ts'
import { PoolRefusal } from '../../agent-api/pool-methods.ts'
import { messageOf } from '../../platform/errors.ts'
import { type Clock, deadline, sleep } from '../../platform/time/clock.ts'
import type { PoolSrState } from '../../volume-plugin/sr-health.ts'
import { poolStatesOf } from './pool-state-of-gate.ts'

/** The questions to the pool. */
interface CoordinatorQuestions {
  isCoordinator(signal: AbortSignal): Promise<boolean>
  gateOfThisHost(signal: AbortSignal): Promise<GateAnswer>
}

export interface PoolStatesOptions {
  readonly questions: CoordinatorQuestions
  /** UUID of this host. */
  readonly host: string
  readonly clock: Clock
  /** Receives errors of this program. */
  readonly onBug: (bug: unknown) => void
  readonly pace?: PoolStatesPace
}

/** Milliseconds. */
interface PoolStatesPace {
  /** How often the gate is asked while this host is the coordinator. */
  readonly gateEveryMs: number
  /** How often the pool is asked which host is the coordinator, while it is another host. */
  readonly roleEveryMs: number
  /** After a transition the gate is asked at once, but not more often than this. */
  readonly atMostEveryMs: number
  /** An answer older than this does not count. */
  readonly validForMs: number
  /** How long one answer may take. */
  readonly timeoutMs: number
}

const DEFAULT_PACE: PoolStatesPace = {
  gateEveryMs: 10_000,
  roleEveryMs: 30_000,
  atMostEveryMs: 1_000,
  validForMs: 30_000,
  timeoutMs: 20_000,
}

/** `none`: no toolstack is configured, or it has no gate. */
type Role = 'not known' | 'coordinator' | 'another host' | 'none'

/**
 * The state of each SR over the whole pool, cached on the pool's coordinator because SR.stat must not wait for the network.
 *
 * Invariant: on the coordinator an SR is synced only by a recent answer of the gate. Until the coordinator is known, it may be this
 * host.
 */
export class PoolStates {
  readonly #options: PoolStatesOptions
  readonly #pace: PoolStatesPace
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  #hurry = new AbortController()
  /** Counts changes of the pool. An answer of an earlier pool is ignored. */
  #pools = 0
  #role: Role = 'not known'
  #answer: { readonly atMs: number; readonly stateOf: (sr: string) => PoolSrState } | null = null
  /** Why there is no newer answer. */
  #problem = 'it has not been asked yet'

  constructor(options: PoolStatesOptions) {
    this.#options = options
    this.#pace = options.pace ?? DEFAULT_PACE
    this.#done = this.#run()
  }

  /** The state of an SR over the pool; `null`: this host is not the coordinator. */
  of(sr: string): PoolSrState | null {
    if (this.#role === 'another host' || this.#role === 'none') return null
    if (this.#answer !== null && this.#options.clock.steadyNow() - this.#answer.atMs <= this.#pace.validForMs)
      return this.#answer.stateOf(sr)
    return { state: 'unknown', sentences: [`the state of the pool is not known: ${this.#problem}`] }
  }

  /** Something has changed on this host, so the pool's state may have changed. */
  hurry(): void {
    if (this.#role !== 'another host') this.#hurry.abort()
  }

  /** The host now belongs to another pool, or to none. */
  forget(): void {
    this.#pools += 1
    this.#role = 'not known'
    this.#answer = null
    this.#problem = 'it has not been asked yet'
    this.#hurry.abort()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal: stopped } = this.#stop
    const { gateEveryMs, roleEveryMs, atMostEveryMs, timeoutMs } = this.#pace
    while (!stopped.aborted) {
      this.#hurry = new AbortController()
      await this.#ask(AbortSignal.any([stopped, deadline(timeoutMs)]))
      await sleep(this.#options.clock, atMostEveryMs, stopped)
      const everyMs = this.#role === 'coordinator' || this.#role === 'not known' ? gateEveryMs : roleEveryMs
      await sleep(this.#options.clock, everyMs - atMostEveryMs, AbortSignal.any([stopped, this.#hurry.signal]))
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { questions, host, clock, onBug } = this.#options
    const asked = this.#pools
    const atMs = clock.steadyNow()
    try {
      const isElsewhere = this.#role !== 'coordinator' && !(await questions.isCoordinator(signal))
      const answer = isElsewhere ? null : await questions.gateOfThisHost(signal)
      if (asked !== this.#pools) return
      this.#role = answer?.coordinator?.uuid === host ? 'coordinator' : 'another host'
      this.#answer = answer === null ? null : { atMs, stateOf: poolStatesOf(answer, host) }
    } catch (error) {
      if (asked !== this.#pools) return
      this.#problem = messageOf(error)
      if (!(error instanceof PoolRefusal)) onBug(error)
      else if (error.kind === 'noToolstack') this.#role = 'none'
      // The coordinator had a gate before, so its absence is a failure and does not mean synced.
      else if (error.kind === 'noGate' && this.#role !== 'coordinator') this.#role = 'none'
    }
  }
}
