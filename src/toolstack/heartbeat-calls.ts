import { isPollSecret } from '../poll-proof/index.ts'
import { ApiFailure } from './api-failure.ts'
import type { CallTable } from './call.ts'
import type { ChangedSeqs } from './changed-seqs.ts'
import type { Database } from './database.ts'
import type { Heartbeats, SignOfLife } from './heartbeats.ts'
import type { GoingDown } from './host-memory.ts'
import type { StringMap } from './records.ts'
import { epochMsOf, epochMsOfSeconds } from './xapi-datetime.ts'

/** Stock's word in `stuff` of a host that goes (db_gc.ml _shutting_down). */
const SHUTTING_DOWN = 'shutting-down'

/**
 * What a host's toolstack tells its coordinator, and what it is told: stock hands an order on to the host's own xapi; here the
 * answer to a heartbeat says `order` = `reboot` or `shutdown` for as long as the host has not gone. Stock keeps these calls for
 * itself; here they are a pool-operator's. In `stuff`, and in a third parameter of hello that stock does not have, may stand
 * `boot_id`, the kernel's; `now`, the host's clock, in ISO 8601; and `boot_time` and `agent_start_time` by that clock, in seconds of
 * the epoch, as in host.other_config; and `poll_key`, with which the agent proves its answers to polls; `sr_seq` (`ChangedSeqs`); and
 * `since_answer_ms`, how long ago it had received the answer before.
 */
export function heartbeatCalls(
  db: Database,
  heartbeats: Heartbeats,
  orderFor: (hostRef: string) => GoingDown | null,
  changedSeqs: ChangedSeqs,
): CallTable {
  return {
    'pool.hello': {
      parameters: [2, 3],
      role: 'pool-operator',
      durable: true,
      run: args => {
        const uuid = args.string('host_uuid')
        const address = args.string('host_address')
        const stuff = args.more ? args.stringMap('stuff') : {}
        const [ref, host] = db.list('host').find(([, { uuid: its }]) => its === uuid) ?? []
        if (ref === undefined) return 'unknown_host'
        const told = toldIn(stuff)
        changedSeqs.take(ref, stuff)
        if (host?.address !== address) db.update('host', ref, { address })
        heartbeats.heard(ref, { kind: 'hello', ...told })
        return 'ok'
      },
    },
    'host.tickle_heartbeat': {
      parameters: 2,
      role: 'pool-operator',
      run: args => {
        const ref = args.ref('host')
        const stuff = args.stringMap('stuff')
        changedSeqs.take(ref, stuff)
        if (Object.hasOwn(stuff, SHUTTING_DOWN)) heartbeats.goes(ref)
        else heartbeats.heard(ref, { kind: 'heartbeat', ...toldIn(stuff) })
        const order = orderFor(ref)
        return order === null ? {} : { order }
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
