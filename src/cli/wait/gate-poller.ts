import type { GateAnswer } from '../../agent-api/answers.ts'
import type { AgentQueries } from '../ask/agent-queries.ts'

/** Each poll makes the coordinator judge the whole pool, and many may wait. */
const ASK_EVERY_MS = 5_000
/** What was heard longer ago is not answer any more. */
const VALID_FOR_MS = 30_000

/** Keeps the last answer of the gate, for callers that must not wait for a coordinator that does not answer. */
export class GatePoller {
  readonly #agent: Pick<AgentQueries, 'gate'>
  readonly #clock: () => number
  #last: { readonly gate: GateAnswer; readonly atMs: number } | null = null
  #askedAtMs = Number.NEGATIVE_INFINITY
  #isAsking = false

  /** @param clock milliseconds, of any clock that only goes forwards */
  constructor(agent: Pick<AgentQueries, 'gate'>, clock: () => number) {
    this.#agent = agent
    this.#clock = clock
  }

  /** Returns the last valid answer at once, and starts another poll if one is due. */
  latest(): GateAnswer | null {
    const now = this.#clock()
    if (!this.#isAsking && now - this.#askedAtMs >= ASK_EVERY_MS) void this.#ask(now)
    return this.#last !== null && now - this.#last.atMs <= VALID_FOR_MS ? this.#last.gate : null
  }

  async #ask(now: number): Promise<void> {
    this.#askedAtMs = now
    this.#isAsking = true
    const answer = await this.#agent.gate()
    this.#isAsking = false
    if (answer.ok) this.#last = { gate: answer.value, atMs: this.#clock() }
  }
}
