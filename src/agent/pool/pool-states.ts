import type { GateAnswer } from '../../agent-api/answers.ts'
import { PoolRefusal } from '../../agent-api/pool-methods.ts'
import { messageOf } from '../../platform/errors.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import { deadline } from '../../platform/time/deadline.ts'
import type { PoolSrState } from '../../volume-plugin/sr-health.ts'
import { poolStatesOf } from './pool-state-of-gate.ts'

/** What is asked of the pool here. */
interface CoordinatorQuestions {
  isCoordinator(signal: AbortSignal): Promise<boolean>
  gateOfThisHost(signal: AbortSignal): Promise<GateAnswer>
}

export interface PoolStatesOptions {
  readonly questions: CoordinatorQuestions
  /** UUID of this host. */
  readonly host: string
  readonly clock: Clock
  /** Told of what must not happen: an error of this program. */
  readonly onBug: (bug: unknown) => void
  readonly pace?: PoolStatesPace
}

/** Milliseconds. */
interface PoolStatesPace {
  /** How often the gate is asked while this host is the coordinator. */
  readonly gateEveryMs: number
  /** How often it is asked who the coordinator is while it is another host. */
  readonly roleEveryMs: number
  /** Transitions make it be asked at once, but not more often than this. */
  readonly atMostEveryMs: number
  /** An answer older than this is worth nothing. */
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

/** `none`: there is no pool to speak of: no toolstack is configured, or no gate is behind it. */
type Role = 'not known' | 'coordinator' | 'another host' | 'none'

/**
 * How the pool as a whole is, kept at hand on its coordinator: SR.stat must not wait for the network.
 *
 * Invariant: on the coordinator nothing is said to be synced but by an answer of the gate that is young enough. Where nobody
 * has said yet who the coordinator is, it may be this host.
 */
export class PoolStates {
  readonly #options: PoolStatesOptions
  readonly #pace: PoolStatesPace
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  #hurry = new AbortController()
  /** How often the pool has become another one. */
  #pools = 0
  #role: Role = 'not known'
  #answer: { readonly atMs: number; readonly stateOf: (sr: string) => PoolSrState } | null = null
  /** Why there is no newer answer. */
  #trouble = 'it has not been asked yet'

  constructor(options: PoolStatesOptions) {
    this.#options = options
    this.#pace = options.pace ?? DEFAULT_PACE
    this.#done = this.#run()
  }

  /** `null`: this host is not the one that speaks for the pool. */
  of(sr: string): PoolSrState | null {
    if (this.#role === 'another host' || this.#role === 'none') return null
    if (this.#answer !== null && this.#options.clock.steadyNow() - this.#answer.atMs <= this.#pace.validForMs)
      return this.#answer.stateOf(sr)
    return { state: 'unknown', sentences: [`the pool has not said how it is: ${this.#trouble}`] }
  }

  /** Something has changed here, so the pool may be another too. */
  hurry(): void {
    if (this.#role !== 'another host') this.#hurry.abort()
  }

  /** It is another pool, or none, from now on. */
  forget(): void {
    this.#pools += 1
    this.#role = 'not known'
    this.#answer = null
    this.#trouble = 'it has not been asked yet'
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
      this.#trouble = messageOf(error)
      if (!(error instanceof PoolRefusal)) onBug(error)
      else if (error.kind === 'noToolstack') this.#role = 'none'
      // A gate that was there and is gone has not said that all is well.
      else if (error.kind === 'noGate' && this.#role !== 'coordinator') this.#role = 'none'
    }
  }
}
