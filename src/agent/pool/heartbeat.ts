import { randomUUID } from 'node:crypto'
import { rest } from '../../platform/time/pause.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { type Order, type OrderOutcome, orderIn } from './orders.ts'

export interface HeartbeatOptions {
  readonly client: XenApiClient
  /** The host's UUID in the pool's database. */
  readonly host: string
  /** Which boot of its kernel this is, and when it started by the host's clock. */
  readonly bootId: string
  readonly bootTimeMs: number
  /** When this daemon started. */
  readonly agentStartMs: number
  /** With which this daemon proves its answers to polls (poll-proof/index.ts). */
  readonly pollKey: string
  /** By UUID of the SR: the `seq` from which on its reports tell of its present state. */
  readonly changedSeqs: () => ReadonlyMap<string, number>
  /** The host's clock, by which both of them are. Milliseconds since 1970. */
  readonly now: () => number
  readonly everyMs: number
  /** Milliseconds of a clock that nobody sets. Default performance.now. */
  readonly steadyNow?: () => number
  /** Carries out an order of the pool. Must not reject. */
  readonly carryOut: (order: Order) => Promise<OrderOutcome>
  readonly signal: AbortSignal
}

/**
 * How long an answer may take. A coordinator that is busy for seconds has heard the host all the same; to give up on it and to
 * begin anew would make it busier, and hosts that live look dead.
 */
const ANSWER_TIMEOUT_MS = 10_000
/** A machine may take so long to go. One that is still there then is heard again. */
const GOES_WITHIN_MS = 60_000
/**
 * An order is as old as the heartbeat that it answers. The pool has allowed it by what it knew then, so a host that was held up
 * since (a frozen process, a suspended machine) does not carry it out.
 */
const MAX_ORDER_AGE_MS = 10_000

/**
 * Keeps this host live in an embedded pool: a hello first and after each silence, then a heartbeat every so often (Pool.hello
 * and Host.tickle_heartbeat, which a stock toolstack sends for itself). The answer to a heartbeat may be an order, which is
 * carried out; then the pool hears that this host goes. Each heartbeat names the last order that was received, and says why it
 * is not carried out. It goes on until `signal` is aborted.
 */
export async function sendHeartbeats(options: HeartbeatOptions): Promise<void> {
  const { client, host, everyMs, signal, steadyNow = () => performance.now() } = options
  const orders = new ReceivedOrders(steadyNow)
  const stuff = () => ({
    now: new Date(options.now()).toISOString(),
    // A clock that was set moves both times, and the pool would take that for a reboot.
    boot_id: options.bootId,
    boot_time: seconds(options.bootTimeMs),
    agent_start_time: seconds(options.agentStartMs),
    poll_key: options.pollKey,
    ...orders.statement(),
    sr_seq: Array.from(options.changedSeqs(), ([sr, seq]) => `${sr}=${seq}`).join(','),
  })
  let answeredAt: number | null = null
  /** The pool dates a sign of life by when it was sent, which it cannot know otherwise: it may have been on its way for seconds. */
  const sinceAnswer = () =>
    answeredAt === null ? {} : { since_answer_ms: String(Math.floor(steadyNow() - answeredAt)) }
  const timeoutMs = Math.max(everyMs, ANSWER_TIMEOUT_MS)
  const beat = (ref: string, words: object) => client.call('host.tickle_heartbeat', [ref, words], { timeoutMs, signal })
  let ref: unknown = null
  while (!signal.aborted) {
    try {
      if (typeof ref !== 'string') {
        const found = await client.call('host.get_by_uuid', [host], { timeoutMs, signal })
        const address = await client.call('host.get_address', [found], { timeoutMs, signal })
        await client.call('pool.hello', [host, address, stuff()], { timeoutMs, signal })
        ref = found
        answeredAt = steadyNow()
      } else {
        const sentAtMs = steadyNow()
        const order = orderIn(await beat(ref, { ...stuff(), ...sinceAnswer() }))
        answeredAt = steadyNow()
        if (order !== null && orders.receive(order)) {
          const ageMs = steadyNow() - sentAtMs
          const outcome = ageMs > MAX_ORDER_AGE_MS ? tooLate(ageMs) : await options.carryOut(order)
          if (outcome.kind === 'goes') {
            await beat(ref, { 'shutting-down': 'true' })
            await rest(GOES_WITHIN_MS, signal)
          } else if (outcome.kind === 'refused') {
            orders.refuse(outcome.why)
            await beat(ref, stuff())
          }
        }
      }
    } catch {
      // Whoever it was that did not hear it may be another one next time.
      ref = null
      answeredAt = null
    }
    await rest(everyMs, signal)
  }
}

function tooLate(ageMs: number): OrderOutcome {
  return { kind: 'refused', why: `it was received ${Math.round(ageMs / 1000)} s after the pool was asked` }
}

/**
 * The orders that these heartbeats have received, in the words of `stuff`. The id is another one for each run of them: what one
 * of them has not received, another one before it may have.
 */
class ReceivedOrders {
  readonly #agent = randomUUID()
  #beat = 0
  #last = ''
  #refusal: string | null = null
  #obeyAgainAtMs = Number.NEGATIVE_INFINITY
  readonly #steadyNow: () => number

  constructor(steadyNow: () => number) {
    this.#steadyNow = steadyNow
  }

  statement(): Readonly<Record<string, string>> {
    this.#beat += 1
    const refused = this.#refusal === null ? {} : { order_refused: this.#refusal }
    return { agent_id: this.#agent, beat: String(this.#beat), last_order: this.#last, ...refused }
  }

  /** False: it was received before, and nothing more is to be done. */
  receive({ id }: Order): boolean {
    const nowMs = this.#steadyNow()
    const isNew = id === '' ? nowMs >= this.#obeyAgainAtMs : id !== this.#last
    if (!isNew) return false
    this.#obeyAgainAtMs = nowMs + GOES_WITHIN_MS
    this.#last = id
    this.#refusal = null
    return true
  }

  refuse(why: string): void {
    this.#refusal = why
  }
}

/** In the form of host.other_config: seconds, as OCaml prints a float. */
function seconds(ms: number): string {
  return `${Math.round(ms / 1000)}.`
}
