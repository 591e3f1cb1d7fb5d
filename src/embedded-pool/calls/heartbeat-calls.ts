import { isPollSecret } from '../../agent-api/poll-proof.ts'
import { epochMsOf, epochMsOfSeconds } from '../../allowed-operations/pool/xapi-moments.ts'
import type { Database } from '../database/database.ts'
import type { StringMap } from '../database/records.ts'
import type { ChangedSeqs } from '../hosts/changed-seqs.ts'
import type { HeartbeatContent, Heartbeats } from '../hosts/heartbeats.ts'
import type { OrderStatement } from '../hosts/order.ts'
import type { Orders } from '../hosts/orders.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { ApiFailure } from './api-failure.ts'
import type { CallTable } from './call.ts'

/** The key in `stuff` of a host that shuts down (stock: db_gc.ml _shutting_down). */
const SHUTTING_DOWN = 'shutting-down'

interface HeartbeatCallsOptions {
  readonly db: Database
  readonly heartbeats: Heartbeats
  readonly orders: Pick<Orders, 'answer' | 'take'>
  readonly changedSeqs: ChangedSeqs
  readonly sessions: Pick<Sessions, 'carriesHeartbeatsOf'>
}

/**
 * pool.hello and host.tickle_heartbeat: heartbeats of hosts. Stock xapi reserves these calls for itself; here the role pool-operator
 * may make them. Keys of `stuff` (of hello too, as a third parameter that stock does not have), all optional:
 * - `boot_id`: id of the kernel boot
 * - `now`: the clock of the host, ISO 8601
 * - `boot_time`, `agent_start_time`: by that clock, in seconds since 1970, as in host.other_config
 * - `poll_key`: the key with which the agent proves its answers to polls
 * - `sr_seq`: see `ChangedSeqs`
 * - `since_answer_ms`: time since the agent received the previous answer
 * - `agent_id`, `beat`, `last_order`, `order_refused`: see `OrderStatement`
 *
 * Stock xapi forwards an order to the xapi of the host. Here the answer to a heartbeat carries it: `order` (`reboot` or `shutdown`)
 * and `order_id`.
 */
export function heartbeatCalls({ db, heartbeats, orders, changedSeqs, sessions }: HeartbeatCallsOptions): CallTable {
  return {
    'pool.hello': {
      parameters: [2, 3],
      role: 'pool-operator',
      run: (args, { session }) => {
        const uuid = args.string('host_uuid')
        const address = args.string('host_address')
        const stuff = args.more ? args.stringMap('stuff') : {}
        const [ref, host] = db.list('host').find(([, { uuid: its }]) => its === uuid) ?? []
        if (ref === undefined) return 'unknown_host'
        const content = contentIn(stuff)
        const statement = statementIn(stuff)
        changedSeqs.take(ref, stuff)
        if (host?.address !== address) db.update('host', ref, { address })
        heartbeats.received(ref, { kind: 'hello', ...content })
        sessions.carriesHeartbeatsOf(ref, session)
        if (statement !== null) orders.take(ref, statement)
        return 'ok'
      },
    },
    'host.tickle_heartbeat': {
      parameters: 2,
      role: 'pool-operator',
      run: (args, { session }) => {
        const ref = args.ref('host')
        const stuff = args.stringMap('stuff')
        // parse everything before anything is applied: a call that fails changes nothing
        const content = contentIn(stuff)
        const statement = statementIn(stuff)
        changedSeqs.take(ref, stuff)
        sessions.carriesHeartbeatsOf(ref, session)
        if (Object.hasOwn(stuff, SHUTTING_DOWN)) {
          heartbeats.shutsDown(ref)
          return {}
        }
        heartbeats.received(ref, { kind: 'heartbeat', ...content })
        const order = orders.answer(ref, statement)
        return order === null ? {} : { order: order.how, order_id: order.id }
      },
    },
  }
}

function contentIn(stuff: StringMap): Omit<HeartbeatContent, 'kind'> {
  const bootId = bootIdIn(stuff)
  const bootTimeMs = timeIn(stuff, 'boot_time')
  const agentStartMs = timeIn(stuff, 'agent_start_time')
  const nowMs = nowIn(stuff)
  const pollKey = pollKeyIn(stuff)
  const sinceAnswerMs = sinceAnswerIn(stuff)
  return {
    ...(bootId === null ? {} : { bootId }),
    ...(bootTimeMs === null ? {} : { bootTimeMs }),
    ...(agentStartMs === null ? {} : { agentStartMs }),
    ...(nowMs === null ? {} : { nowMs }),
    ...(pollKey === null ? {} : { pollKey }),
    ...(sinceAnswerMs === null ? {} : { sinceAnswerMs }),
  }
}

function sinceAnswerIn(stuff: StringMap): number | null {
  const text = Object.hasOwn(stuff, 'since_answer_ms') ? stuff.since_answer_ms : undefined
  if (text === undefined) return null
  if (!/^\d{1,12}$/.test(text)) {
    throw new ApiFailure('VALUE_NOT_SUPPORTED', 'since_answer_ms', text.slice(0, 64), 'not a number of milliseconds')
  }
  return Number(text)
}

/** The error does not contain the key: errors are logged and kept in tasks. */
function pollKeyIn(stuff: StringMap): string | null {
  const key = Object.hasOwn(stuff, 'poll_key') ? stuff.poll_key : undefined
  if (key === undefined) return null
  if (!isPollSecret(key)) throw new ApiFailure('VALUE_NOT_SUPPORTED', 'poll_key', '', 'not 64 hex digits')
  return key
}

const MAX_ID_LENGTH = 64
/** Longest kept text of a host. */
const MAX_REFUSAL_LENGTH = 512

/** `null` for an agent of an earlier version or another client: it does not report which order it has received. */
function statementIn(stuff: StringMap): OrderStatement | null {
  const { agent_id: agent, beat: count, last_order: lastOrder, order_refused: refusal } = stuff
  if (agent === undefined || count === undefined || lastOrder === undefined) return null
  const beat = Number(count)
  if (!Number.isSafeInteger(beat))
    throw new ApiFailure('VALUE_NOT_SUPPORTED', 'beat', count.slice(0, 64), 'not a whole number')
  for (const [key, id] of [['agent_id', agent] as const, ['last_order', lastOrder] as const]) {
    if (id.length > MAX_ID_LENGTH) throw new ApiFailure('VALUE_NOT_SUPPORTED', key, id.slice(0, 64), 'too long')
  }
  return { agent, beat, lastOrder, refusal: refusal === undefined ? null : refusal.slice(0, MAX_REFUSAL_LENGTH) }
}

function bootIdIn(stuff: StringMap): string | null {
  const id = Object.hasOwn(stuff, 'boot_id') ? stuff.boot_id : undefined
  if (id === undefined) return null
  if (!/^[0-9a-f-]{8,64}$/i.test(id))
    throw new ApiFailure('VALUE_NOT_SUPPORTED', 'boot_id', id.slice(0, 64), 'not a boot id')
  return id
}

function nowIn(stuff: StringMap): number | null {
  const now = Object.hasOwn(stuff, 'now') ? stuff.now : undefined
  if (now === undefined) return null
  const atMs = epochMsOf(now)
  if (atMs === null) throw new ApiFailure('VALUE_NOT_SUPPORTED', 'now', now.slice(0, 64), 'not ISO 8601')
  return atMs
}

/** An invalid time is an error and not an absent one: without a boot time a heartbeat shows no reboot. */
function timeIn(stuff: StringMap, key: string): number | null {
  if (!Object.hasOwn(stuff, key)) return null
  const atMs = epochMsOfSeconds(stuff[key])
  if (atMs === null) throw new ApiFailure('VALUE_NOT_SUPPORTED', key, stuff[key] ?? '', 'not a number of seconds')
  return atMs
}
