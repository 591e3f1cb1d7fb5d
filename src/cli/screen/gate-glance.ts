import type { GateAnswer } from '../../agent-api/answers.ts'
import type { AgentTalk } from '../ask/agent-talk.ts'

/** Each question makes the coordinator judge the whole pool, and many may wait. */
const ASK_EVERY_MS = 5_000
/** What was heard longer ago is not told any more. */
const GOOD_FOR_MS = 30_000

/** What the gate said last, for those who can do without it: a coordinator that is away must not hold them up. */
export class GateGlance {
  readonly #talk: Pick<AgentTalk, 'gate'>
  readonly #clock: () => number
  #last: { readonly gate: GateAnswer; readonly atMs: number } | null = null
  #askedAtMs = Number.NEGATIVE_INFINITY
  #isAsking = false

  /** @param clock milliseconds, of any clock that only goes forwards */
  constructor(talk: Pick<AgentTalk, 'gate'>, clock: () => number) {
    this.#talk = talk
    this.#clock = clock
  }

  /** Never waits: asks anew from time to time, and gives what has been heard by now. */
  take(): GateAnswer | null {
    const now = this.#clock()
    if (!this.#isAsking && now - this.#askedAtMs >= ASK_EVERY_MS) void this.#ask(now)
    return this.#last !== null && now - this.#last.atMs <= GOOD_FOR_MS ? this.#last.gate : null
  }

  async #ask(now: number): Promise<void> {
    this.#askedAtMs = now
    this.#isAsking = true
    const told = await this.#talk.gate()
    this.#isAsking = false
    if (told.ok) this.#last = { gate: told.value, atMs: this.#clock() }
  }
}
