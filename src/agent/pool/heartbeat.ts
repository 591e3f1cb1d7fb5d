import { randomUUID } from 'node:crypto'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { type Order, type OrderOutcome, orderIn } from './orders.ts'

export interface HostHeartbeatOptions {
  readonly client: XenApiClient
  /** The host's UUID in the pool's database. */
  readonly host: string
  /** The present boot of the host's kernel, and when it started by the host's clock. */
  readonly bootId: string
  readonly bootTimeMs: number
  /** When this daemon started. */
  readonly agentStartMs: number
  /** This daemon proves its answers to polls with this key. */
  readonly pollKey: string
  /** By UUID of the SR: the lowest `seq` of a report of its present state. */
  readonly changedSeqs: () => ReadonlyMap<string, number>
  readonly clock: Clock
  readonly everyMs: number
  /** Carries out an order of the pool. Must not reject. */
  readonly carryOut: (order: Order) => Promise<OrderOutcome>
  readonly signal: AbortSignal
}

/**
 * How long an answer may take. A coordinator that is busy for seconds has received the heartbeat all the same. Giving up and starting
 * again would make it busier, and live hosts would look dead.
 */
const ANSWER_TIMEOUT_MS = 10_000
/** A machine may take this long to go down. After that it sends heartbeats again. */
const GOES_WITHIN_MS = 60_000
/**
 * An order is as old as the heartbeat that it answers. The pool has allowed it by what it knew then, so a host that was delayed since
 * (a frozen process, a suspended machine) does not carry it out.
 */
const MAX_ORDER_AGE_MS = 10_000

/**
 * Keeps this host live in an embedded pool, until `signal` is aborted: a hello at the start and after each failure, then a heartbeat
 * every `everyMs` (Pool.hello and Host.tickle_heartbeat; an unmodified toolstack sends its own). The answer to a heartbeat may be an
 * order. The host carries it out, and then reports that it goes down. Each heartbeat names the last order that was received, and says
 * why it is not carried out.
 */
export async function sendHeartbeats(options: HostHeartbeatOptions): Promise<void> {
  const { client, host, everyMs, signal, clock } = options
  const orders = new ReceivedOrders(clock)
  const stuff = () => ({
    now: new Date(clock.now()).toISOString(),
    // A clock that was set moves both times, and the pool would take that for a reboot.
    boot_id: options.bootId,
    boot_time: seconds(options.bootTimeMs),
    agent_start_time: seconds(options.agentStartMs),
    poll_key: options.pollKey,
    ...orders.statement(),
    sr_seq: Array.from(options.changedSeqs(), ([sr, seq]) => `${sr}=${seq}`).join(','),
  })
  let answeredAt: number | null = null
  /** Lets the pool date the heartbeat by when it was sent: it may be under way for seconds. */
  const sinceAnswer = () =>
    answeredAt === null ? {} : { since_answer_ms: String(Math.floor(clock.steadyNow() - answeredAt)) }
  const timeoutMs = Math.max(everyMs, ANSWER_TIMEOUT_MS)
  const beat = (ref: string, fields: object) =>
    client.call('host.tickle_heartbeat', [ref, fields], { timeoutMs, signal })
  let ref: unknown = null
  while (!signal.aborted) {
    try {
      if (typeof ref !== 'string') {
        const found = await client.call('host.get_by_uuid', [host], { timeoutMs, signal })
        const address = await client.call('host.get_address', [found], { timeoutMs, signal })
        await client.call('pool.hello', [host, address, stuff()], { timeoutMs, signal })
        ref = found
        answeredAt = clock.steadyNow()
      } else {
        const sentAtMs = clock.steadyNow()
        const order = orderIn(await beat(ref, { ...stuff(), ...sinceAnswer() }))
        answeredAt = clock.steadyNow()
        if (order !== null && orders.receive(order)) {
          const ageMs = clock.steadyNow() - sentAtMs
          const outcome = ageMs > MAX_ORDER_AGE_MS ? tooLate(ageMs) : await options.carryOut(order)
          if (outcome.kind === 'goes') {
            await beat(ref, { 'shutting-down': 'true' })
            await sleep(clock, GOES_WITHIN_MS, signal)
          } else if (outcome.kind === 'refused') {
            orders.refuse(outcome.why)
            await beat(ref, stuff())
          }
        }
      }
    } catch {
      // The coordinator may be another host next time.
      ref = null
      answeredAt = null
    }
    await sleep(clock, everyMs, signal)
  }
}

function tooLate(ageMs: number): OrderOutcome {
  return { kind: 'refused', why: `it was received ${Math.round(ageMs / 1000)} s after the pool was asked` }
}

/**
 * The orders that these heartbeats have received, as fields of a heartbeat. Each run has an id of its own, because an earlier run may
 * have received an order that this one has not.
 */
class ReceivedOrders {
  readonly #agent = randomUUID()
  #beat = 0
  #last = ''
  #refusal: string | null = null
  #obeyAgainAtMs = Number.NEGATIVE_INFINITY
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  statement(): Readonly<Record<string, string>> {
    this.#beat += 1
    const refused = this.#refusal === null ? {} : { order_refused: this.#refusal }
    return { agent_id: this.#agent, beat: String(this.#beat), last_order: this.#last, ...refused }
  }

  /** False: the order was received before, and must not be carried out again. */
  receive({ id }: Order): boolean {
    const nowMs = this.#clock.steadyNow()
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
