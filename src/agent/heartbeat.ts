import { rest } from '../waiting/index.ts'
import type { XenApiClient } from '../xapi-notify/index.ts'
import { type Order, orderIn } from './orders.ts'

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
  /** Does what the pool has told this host; answers whether the machine goes. Must not reject. */
  readonly carryOut: (order: Order) => Promise<boolean>
  readonly signal: AbortSignal
}

/**
 * How long an answer may take. A coordinator that is busy for seconds has heard the host all the same; to give up on it and to
 * begin anew would make it busier, and hosts that live look dead.
 */
const ANSWER_TIMEOUT_MS = 10_000
/** A machine may take so long to go. One that is still there then is told again. */
const OBEY_AGAIN_AFTER_MS = 60_000

/**
 * Tells an embedded pool that this host lives: a hello first and after each silence, then a sign of life every so often
 * (Pool.hello and Host.tickle_heartbeat, which a stock toolstack sends for itself). The answer may be an order, which is carried
 * out; then the pool hears that this host goes, and nothing more. It goes on until `signal` is aborted.
 */
export async function sendHeartbeats(options: HeartbeatOptions): Promise<void> {
  const { client, host, everyMs, signal } = options
  const stuff = () => ({
    now: new Date(options.now()).toISOString(),
    // A clock that was set moves both times, and the pool would take that for a reboot.
    boot_id: options.bootId,
    boot_time: seconds(options.bootTimeMs),
    agent_start_time: seconds(options.agentStartMs),
    poll_key: options.pollKey,
    sr_seq: Array.from(options.changedSeqs(), ([sr, seq]) => `${sr}=${seq}`).join(','),
  })
  let answeredAt: number | null = null
  /** The pool dates a sign of life by when it was sent, which it cannot know otherwise: it may have been on its way for seconds. */
  const sinceAnswer = () =>
    answeredAt === null ? {} : { since_answer_ms: String(Math.floor(performance.now() - answeredAt)) }
  const timeoutMs = Math.max(everyMs, ANSWER_TIMEOUT_MS)
  let ref: unknown = null
  let obeyAgainAt = 0
  while (!signal.aborted) {
    try {
      if (typeof ref !== 'string') {
        const found = await client.call('host.get_by_uuid', [host], { timeoutMs, signal })
        const address = await client.call('host.get_address', [found], { timeoutMs, signal })
        await client.call('pool.hello', [host, address, stuff()], { timeoutMs, signal })
        ref = found
        answeredAt = performance.now()
      } else {
        const order = orderIn(
          await client.call('host.tickle_heartbeat', [ref, { ...stuff(), ...sinceAnswer() }], { timeoutMs, signal }),
        )
        answeredAt = performance.now()
        if (order !== null && performance.now() >= obeyAgainAt) {
          obeyAgainAt = performance.now() + OBEY_AGAIN_AFTER_MS
          if (await options.carryOut(order)) {
            await client.call('host.tickle_heartbeat', [ref, { 'shutting-down': 'true' }], { timeoutMs, signal })
            await rest(OBEY_AGAIN_AFTER_MS, signal)
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

/** In the form of host.other_config: seconds, as OCaml prints a float. */
function seconds(ms: number): string {
  return `${Math.round(ms / 1000)}.`
}
