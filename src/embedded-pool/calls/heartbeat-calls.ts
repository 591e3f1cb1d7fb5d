import { isPollSecret } from '../../agent-api/poll-proof.ts'
import type { Database } from '../database/database.ts'
import type { StringMap } from '../database/records.ts'
import { epochMsOf, epochMsOfSeconds } from '../database/xapi-datetime.ts'
import type { ChangedSeqs } from '../hosts/changed-seqs.ts'
import type { Heartbeats, SignOfLife } from '../hosts/heartbeats.ts'
import type { OrderStatement } from '../hosts/order.ts'
import type { Orders } from '../hosts/orders.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { ApiFailure } from './api-failure.ts'
import type { CallTable } from './call.ts'

/** Stock's word in `stuff` of a host that goes (db_gc.ml _shutting_down). */
const SHUTTING_DOWN = 'shutting-down'

interface HeartbeatCallsOptions {
  readonly db: Database
  readonly heartbeats: Heartbeats
  readonly orders: Pick<Orders, 'answer' | 'take'>
  readonly changedSeqs: ChangedSeqs
  readonly sessions: Pick<Sessions, 'carriesLifeOf'>
}

/**
 * What a host's toolstack tells its coordinator, and what it is told. Stock keeps these calls for itself; here they are a
 * pool-operator's. In `stuff`, and in a third parameter of hello that stock does not have, may stand `boot_id`, the kernel's;
 * `now`, the host's clock, in ISO 8601; `boot_time` and `agent_start_time` by that clock, in seconds of the epoch, as in
 * host.other_config; `poll_key`, with which the agent proves its answers to polls; `sr_seq` (`ChangedSeqs`); and
 * `since_answer_ms`, how long ago it had received the answer before.
 *
 * Stock hands an order on to the host's own xapi. Here the answer to one heartbeat says `order` = `reboot` or `shutdown`, and
 * `order_id`. With `agent_id`, `beat` and `last_order` in `stuff`, and `order_refused` where it does not carry the order out, the
 * agent says what it has received (`OrderStatement`).
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
        const told = toldIn(stuff)
        const statement = statementIn(stuff)
        changedSeqs.take(ref, stuff)
        if (host?.address !== address) db.update('host', ref, { address })
        heartbeats.heard(ref, { kind: 'hello', ...told })
        sessions.carriesLifeOf(ref, session)
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
        // all is read before anything is taken in: a call that fails changes nothing
        const told = toldIn(stuff)
        const statement = statementIn(stuff)
        changedSeqs.take(ref, stuff)
        sessions.carriesLifeOf(ref, session)
        if (Object.hasOwn(stuff, SHUTTING_DOWN)) {
          heartbeats.goes(ref)
          return {}
        }
        heartbeats.heard(ref, { kind: 'heartbeat', ...told })
        const order = orders.answer(ref, statement)
        return order === null ? {} : { order: order.how, order_id: order.id }
      },
    },
  }
}

function toldIn(stuff: StringMap): Omit<SignOfLife, 'kind'> {
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
    throw new ApiFailure('VALUE_NOT_SUPPORTED', 'since_answer_ms', text.slice(0, 64), 'no number of milliseconds')
  }
  return Number(text)
}

/** The error does not repeat it: errors are logged, and kept in tasks. */
function pollKeyIn(stuff: StringMap): string | null {
  const key = Object.hasOwn(stuff, 'poll_key') ? stuff.poll_key : undefined
  if (key === undefined) return null
  if (!isPollSecret(key)) throw new ApiFailure('VALUE_NOT_SUPPORTED', 'poll_key', '', 'not 64 hex digits')
  return key
}

const MAX_ID_LENGTH = 64
/** What is kept of a host's own words. */
const MAX_REFUSAL_LENGTH = 512

/** `null`: an agent of an earlier version, or another client, which does not say what it has received. */
function statementIn(stuff: StringMap): OrderStatement | null {
  const { agent_id: agent, beat: count, last_order: lastOrder, order_refused: refusal } = stuff
  if (agent === undefined || count === undefined || lastOrder === undefined) return null
  const beat = Number(count)
  if (!Number.isSafeInteger(beat)) throw new ApiFailure('VALUE_NOT_SUPPORTED', 'beat', count.slice(0, 64), 'no count')
  for (const [key, id] of [['agent_id', agent] as const, ['last_order', lastOrder] as const]) {
    if (id.length > MAX_ID_LENGTH) throw new ApiFailure('VALUE_NOT_SUPPORTED', key, id.slice(0, 64), 'too long')
  }
  return { agent, beat, lastOrder, refusal: refusal === undefined ? null : refusal.slice(0, MAX_REFUSAL_LENGTH) }
}

function bootIdIn(stuff: StringMap): string | null {
  const id = Object.hasOwn(stuff, 'boot_id') ? stuff.boot_id : undefined
  if (id === undefined) return null
  if (!/^[0-9a-f-]{8,64}$/i.test(id))
    throw new ApiFailure('VALUE_NOT_SUPPORTED', 'boot_id', id.slice(0, 64), 'no boot id')
  return id
}

function nowIn(stuff: StringMap): number | null {
  const now = Object.hasOwn(stuff, 'now') ? stuff.now : undefined
  if (now === undefined) return null
  const atMs = epochMsOf(now)
  if (atMs === null) throw new ApiFailure('VALUE_NOT_SUPPORTED', 'now', now.slice(0, 64), 'not ISO 8601')
  return atMs
}

/** A time that cannot be read must not pass for none: without a boot time a heartbeat shows no reboot. */
function timeIn(stuff: StringMap, key: string): number | null {
  if (!Object.hasOwn(stuff, key)) return null
  const atMs = epochMsOfSeconds(stuff[key])
  if (atMs === null) throw new ApiFailure('VALUE_NOT_SUPPORTED', key, stuff[key] ?? '', 'no number of seconds')
  return atMs
}
