import { firstName } from '../allowed-operations/pool/find-by-name.ts'
import { type Complaints, JsonNode } from '../platform/json/json-node.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import { formatBytes } from '../platform/text/bytes.ts'
import { formatDuration } from '../platform/text/duration.ts'
import { printable } from '../platform/text/printable.ts'
import type { SrMessage } from '../xenapi-client/message-calls.ts'
import type { ResyncFinished, ResyncStarted } from './resync-episode.ts'

/** Who speaks. */
export interface NotifyingHost {
  readonly uuid: string
  /** For people. */
  readonly name: string
}

/** What a message of this program says to programs. */
export interface ToldEvent {
  readonly event: 'started' | 'finished'
  readonly episode: string
  readonly omitted: number
}

/**
 * As stock grades (api_messages.ml): 3 is "some service may suffer", such as a degraded bond or METADATA_LUN_BROKEN: one
 * more failure, or a reboot, would hurt. 4 is "something just improved", such as METADATA_LUN_HEALTHY.
 */
const PRIORITIES = { started: 3, finished: 4 } as const
const NAMES = { started: 'RESYNC_STARTED', finished: 'RESYNC_FINISHED' } as const
/** Begins the line of a body that is for programs. */
const MARK = 'resync-monitor: '
const MAX_NAME_LENGTH = 64

/** The message for an event. Its body is a sentence for people and a line of JSON, at most 1 KiB together. */
export function resyncMessage(host: NotifyingHost, told: ResyncStarted | ResyncFinished, omitted: number): SrMessage {
  const data = {
    schema: 1,
    event: told.event,
    episode: told.episode,
    host: host.uuid,
    at: new Date(told.at).toISOString(),
    ...(told.event === 'started'
      ? { outOfSyncBytes: told.outOfSyncBytes }
      : { startedAt: new Date(told.startedAt).toISOString(), watched: told.watched }),
    omitted,
  }
  return {
    name: NAMES[told.event],
    priority: PRIORITIES[told.event],
    body: `${sentence(printableName(firstName(host.name, host.uuid)), told)}${omissions(omitted)}\n${MARK}${JSON.stringify(data)}`,
  }
}

/** Far above what `resyncMessage` writes. */
const MAX_MARK_LENGTH = 65_536

/** Reads what `resyncMessage` wrote; `null` for any other body. */
export function parseMessageBody(body: string): ToldEvent | null {
  const line = body.split('\n').find(each => each.startsWith(MARK))
  if (line === undefined) return null
  const parsed = parseJson(line.slice(MARK.length), MAX_MARK_LENGTH)
  if ('problem' in parsed) return null
  const complaints: Complaints = { first: null }
  const root = new JsonNode(parsed.value, '', complaints)
  const told: ToldEvent = {
    event: root.at('event').word(['started', 'finished']),
    episode: root.at('episode').text(),
    omitted: root.at('omitted').count(),
  }
  return complaints.first === null ? told : null
}

/** XenAPI's texts are kept as XML: what XML cannot hold is refused with INVALID_VALUE, for ever. */
export function printableName(name: string): string {
  return Array.from(printable(name)).slice(0, MAX_NAME_LENGTH).join('')
}

function sentence(hostname: string, told: ResyncStarted | ResyncFinished): string {
  if (told.event === 'started') {
    const amount = told.outOfSyncBytes === null ? '' : `, ${formatBytes(told.outOfSyncBytes)} out of sync`
    const mirrors = `${told.resyncing} of its ${told.mirrors} mirrors of this storage`
    return `Host ${hostname} resynchronises ${mirrors}${amount}. Until that is over no other host of it should go down.`
  }
  const amount =
    told.mostOutOfSyncBytes === null ? '' : ` About ${formatBytes(told.mostOutOfSyncBytes)} were out of sync at most.`
  const duration = formatDuration((told.at - told.startedAt) / 1000)
  if (told.watched) return `Host ${hostname} has finished resynchronising this storage after ${duration}.${amount}`
  return `Host ${hostname} is in sync again. The resync took at most ${duration}; its end was not watched.${amount}`
}

function omissions(count: number): string {
  if (count === 0) return ''
  return ` ${count} more began and finished while the toolstack could not be told, and are not listed.`
}
